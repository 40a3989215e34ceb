# Completes each line of standard input as fish would; prints the words it offers, each line's on one.
# $argv[1]: the script.
source $argv[1]; or exit 1
while read -l line
    printf '%s\t' (complete -C "$line" | string replace -r '\t.*' '')
    echo
end
