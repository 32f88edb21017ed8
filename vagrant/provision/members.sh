# shellcheck shell=bash
# Sourced by the other scripts. What a node knows about its lab comes from the environment:
#   LAB_MEMBERS  all nodes in order: "n1=10.86.0.11 n2=10.86.0.12 n3=10.86.0.13"
#   LAB_KEY      the secret of this lab, at least 128 characters; all passwords and keys come from it
#   LAB_NAME     the name of the cluster
#   LAB_NODE     this node's name; default: the host name

: "${LAB_MEMBERS:?is not set: \"n1=ADDRESS n2=ADDRESS ...\"}"
: "${LAB_KEY:?is not set}"
LAB_NAME=${LAB_NAME:-baton}
LAB_NODE=${LAB_NODE:-$(hostname -s)}

read -ra members <<<"$LAB_MEMBERS"

# Prints the number of this node in LAB_MEMBERS, counted from 1.
node_number() {
    local i
    for i in "${!members[@]}"; do
        if [[ ${members[i]%%=*} == "$LAB_NODE" ]]; then
            echo $((i + 1))
            return
        fi
    done
    echo "$LAB_NODE is not among LAB_MEMBERS: $LAB_MEMBERS" >&2
    return 1
}

# Derives the secret for one purpose, the same on every node.
secret() {
    printf '%s:%s' "$1" "$LAB_KEY" | sha256sum | cut -c1-32
}

has_systemd() {
    [[ -d /run/systemd/system ]]
}
