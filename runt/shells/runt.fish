# fish completion for runt. Made by: runt completion fish
function __runt_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l before (string match -r -- '^--[^=]*=' $typed)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l rest (string replace -r '^--[^=]*=' '' -- $typed)
    for line in ($program __complete $words[2..-1] "$typed" 2>/dev/null </dev/null)
        set -l fields (string split \t -- $line)
        switch $fields[1]
            case plain
                printf '%s\t%s\n' $fields[2] "$fields[3]"
            case file
                for path in (__fish_complete_path "$rest")
                    echo "$before$path"
                end
            case dir
                for path in (__fish_complete_directories "$rest")
                    echo "$before$path"
                end
        end
    end
end
complete --command runt --no-files --keep-order --arguments '(__runt_complete)'
