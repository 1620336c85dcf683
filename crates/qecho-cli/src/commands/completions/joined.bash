
# `--over=uni` is three words to bash, and only the last is to be completed.
_qecho_joined() {
    local current="$2" option="$3"
    if [[ "$option" == "=" ]]; then
        option="${COMP_WORDS[COMP_CWORD - 2]}"
    elif [[ "${COMP_WORDS[COMP_CWORD]}" == "=" ]]; then
        current=""
    elif [[ "$option" == "--trace" ]]; then
        # Its detail stands behind `=` and nowhere else.
        option=""
    fi
    _qecho "$1" "$current" "$option"
}

complete -o bashdefault -o default -F _qecho_joined qecho
