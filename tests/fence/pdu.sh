#!/usr/bin/env bash
# Eight outlets for snmpd's pass_persist: what is written to the switch shows in the state after a while, as in a PDU.
# usage: pdu.sh DIRECTORY STATE SWITCH LABEL ON OFF SET_ON SET_OFF    the three columns as .1.3..., then their numbers
# In DIRECTORY: file N has the number that outlet N's state shows; `delay` the seconds until an order takes effect, or
# "never"; a file `orders` gets a line for each order.
set -u
dir=$1 state=$2 switch=$3 label=$4 on=$5 off=$6 set_on=$7 set_off=$8
count=8

for ((outlet = 1; outlet <= count; outlet++)); do
    [[ -e $dir/$outlet ]] || echo "$on" >"$dir/$outlet"
done
mapfile -t variables < <(for column in "$state" "$switch" "$label"; do
    for ((outlet = 1; outlet <= count; outlet++)); do echo "$column.$outlet"; done
done | sort --version-sort)

# Whether the first name stands after the second one.
after() {
    local -a a b
    IFS=. read -ra a <<<"${1#.}"
    IFS=. read -ra b <<<"${2#.}"
    local i
    for ((i = 0; i < ${#a[@]} && i < ${#b[@]}; i++)); do
        ((a[i] != b[i])) && { ((a[i] > b[i])); return; }
    done
    ((${#a[@]} > ${#b[@]}))
}

now() {
    echo "${EPOCHREALTIME/./}"
}

# Carries out the order that is due.
settle() {
    local at number
    [[ -e $dir/$1.order ]] || return 0
    read -r at number <"$dir/$1.order"
    if (($(now) >= at)); then
        echo "$number" >"$dir/$1"
        rm "$dir/$1.order"
    fi
}

show() {
    local outlet=${1##*.}
    if [[ ! -e $dir/$outlet || " ${variables[*]} " != *" $1 "* ]]; then
        echo NONE
        return
    fi
    settle "$outlet"
    echo "$1"
    case ${1%.*} in
        "$label") printf 'string\nOutlet %s\n' "$outlet" ;;
        *) printf 'integer\n%s\n' "$(<"$dir/$outlet")" ;;
    esac
}

order() {
    local outlet=${1##*.} number=$2 delay=0
    if [[ ${1%.*} != "$switch" || ! -e $dir/$outlet ]]; then
        echo not-writable
        return
    fi
    echo "$outlet $number" >>"$dir/orders"
    [[ -e $dir/delay ]] && delay=$(<"$dir/delay")
    case $number in
        "$set_on") number=$on ;;
        "$set_off") number=$off ;;
        *)
            echo wrong-value
            return
            ;;
    esac
    if [[ $delay != never ]]; then
        echo "$(($(now) + delay * 1000000)) $number" >"$dir/$outlet.order"
    fi
    echo DONE
}

while read -r word; do
    case $word in
        PING) echo PONG ;;
        get) read -r oid && show "$oid" ;;
        getnext)
            read -r oid
            found=
            for variable in "${variables[@]}"; do
                if after "$variable" "$oid"; then
                    found=$variable
                    break
                fi
            done
            if [[ -n $found ]]; then show "$found"; else echo NONE; fi
            ;;
        set) read -r oid && read -r _ value && order "$oid" "$value" ;;
    esac
done
