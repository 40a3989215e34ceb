# Completes each line of standard input as bash would; prints the words it offers, each line's on one.
# $1: the script. bash itself makes words of a line; here they stand between spaces, and a last "=" is one.
source "$1" || exit 1
while IFS= read -r line; do
    line=${line//=/ = }
    read -ra COMP_WORDS <<<"$line"
    [[ $line == *' ' ]] && [[ ${COMP_WORDS[-1]} != = ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _gatekey
    printf '%s\t' "${COMPREPLY[@]}"
    echo
done
