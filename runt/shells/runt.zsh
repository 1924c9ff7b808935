#compdef runt
# zsh completion for runt. Made by: runt completion zsh
_runt() {
    local line kind value help before= files=
    local -a offered fields
    if [[ $PREFIX == --*=* ]]; then
        before=${PREFIX%%=*}=
    fi
    for line in ${(f)"$(${words[1]/#\~\//$HOME/} __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)"}; do
        fields=("${(@ps:\t:)line}")
        kind=$fields[1] value=$fields[2] help=$fields[3]
        case $kind in
        plain) offered+=("${${value#$before}//:/\\:}${help:+:$help}") ;;
        file) files='-f' ;;
        dir) files='-/' ;;
        esac
    done
    [[ -n $before ]] && compset -P '*='
    (( $#offered )) && _describe -V runt offered
    case $files in
    -f) _files ;;
    -/) _files -/ ;;
    esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _runt "$@" # found by its name in fpath, and to complete now
else
    compdef _runt runt
fi
