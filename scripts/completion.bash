# Bash completes `python -m experiments.NAME`, its options and its presets. In the root of a checkout:
#
#     . .venv/bin/activate && . scripts/completion.bash
#
# `vlm-rewards --install-completion` does the same for the console script, for good.

_vlm_rewards_experiments() {
    local word="${COMP_WORDS[COMP_CWORD]}"
    if [[ "${COMP_WORDS[1]}" == -m && "${COMP_WORDS[2]}" == exp* ]]; then
        mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" -m experiments.shared.completing "$COMP_CWORD" "${COMP_WORDS[@]}" 2>/dev/null)
        [[ ${#COMPREPLY[@]} -gt 0 && -n "${COMPREPLY[0]}" ]] && return
    fi
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _vlm_rewards_experiments python python3
