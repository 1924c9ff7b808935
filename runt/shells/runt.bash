# bash completion for runt, from 3.2 on. Made by: runt completion bash
_runt() {
    local words=() word= before= typed= i kind value help
    # readline takes words apart at = and :, runt does not: put them together again.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && [[ $word == [=:]* || ${COMP_WORDS[i - 1]} == [=:] ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done
    typed=${words[${#words[@]} - 1]}
    # What is offered is whole words, and readline replaces the last part only.
    word=${COMP_WORDS[COMP_CWORD]}
    [[ $word == [=:] ]] && word=
    before=${typed%"$word"}
    COMPREPLY=()
    while IFS=$'\t' read -r kind value help; do
        case $kind in
        plain) COMPREPLY+=("${value#"$before"}") ;;
        file) compopt -o default 2>/dev/null ;;
        dir) compopt -o dirnames 2>/dev/null ;;
        esac
    done < <("${1/#\~\//$HOME/}" __complete "${words[@]}" 2>/dev/null </dev/null)
}
complete -o nosort -F _runt runt 2>/dev/null || complete -o default -F _runt runt # before 4.4
