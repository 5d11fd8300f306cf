"""The scripts of `dadarts completion`, a function a shell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from dadarts.cli.completion import Completed, Values

_SHORT = 60
"""Letters of a flag's description."""

_BASH = r"""# bash completion for dadarts
# compgen -W would run what stands in a name; one that needs quotes is not offered.
_dadarts_runs() {
    local kind folder name quoted
    for kind in "$@"; do
        for folder in "${runs_dir:-runs}/$kind"/*/; do
            [[ -d $folder ]] || continue
            folder=${folder%/}
            name=${folder##*/}
            printf -v quoted %q "$name"
            [[ $name == "$cur"* && $name == "$quoted" ]] && COMPREPLY+=("$name")
        done
    done
}

_dadarts() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
    local flags="" known="" kinds="" files="" runs_dir="" name i
    COMPREPLY=()
    # A shell takes --flag=value for three words.
    if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "@COMMANDS@" -- "$cur"))
        return
    fi
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} =~ ^--?runs[_-]dir$ ]]; then
            runs_dir=${COMP_WORDS[i+1]}
            if [[ $runs_dir == "=" ]]; then runs_dir=${COMP_WORDS[i+2]}; fi
        fi
    done
    name=""
    if [[ $prev == -* ]]; then name=${prev#-}; name=${name#-}; name=${name//-/_}; fi
    case "$command:$name" in
@VALUES@
    *)
        case "$command" in
@ARGUMENTS@
        esac ;;
    esac
    if [[ $cur == -* ]]; then
        [[ $cur == --* ]] || cur="-$cur"
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
        return
    fi
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "${known// /$'\n'}" -- "$cur"))
    _dadarts_runs ${kinds// /$'\n'}
    if [[ -n $files ]]; then
        compopt -o filenames 2> /dev/null
        COMPREPLY+=($(compgen -f -- "$cur"))
    fi
}

complete -F _dadarts dadarts
"""

_ZSH = r"""#compdef dadarts
_dadarts_runs() {
    local kind
    local -a found
    for kind in "$@"; do
        found+=(${runs_dir:-runs}/$kind/*(N/:t))
    done
    (( $#found )) && compadd -a found
}

_dadarts() {
    local runs_dir name i
    local -a commands flags
    if (( CURRENT == 2 )); then
        commands=(@COMMANDS@)
        _describe command commands
        return
    fi
    for (( i = 3; i < CURRENT; i++ )); do
        case $words[i] in
            -(|-)runs[_-]dir) runs_dir=$words[i+1] ;;
            -(|-)runs[_-]dir=*) runs_dir=${words[i]#*=} ;;
        esac
    done
    name=""
    if [[ $PREFIX == -*=* ]]; then
        name=${PREFIX%%=*}
        compset -P '*='
    elif [[ $words[CURRENT-1] == -* && $PREFIX != -* ]]; then
        name=$words[CURRENT-1]
    fi
    name=${${name#-}#-}
    case "$words[2]:${name//-/_}" in
@VALUES@
    esac
    case "$words[2]" in
@ARGUMENTS@
    esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _dadarts "$@"; else compdef _dadarts dadarts; fi
"""

_FISH = r"""# fish completion for dadarts
function __dadarts_runs
    set -l words (commandline -opc)
    set -l folder runs
    for i in (seq (count $words))
        if string match -qr -- '^--?runs[_-]dir$' $words[$i]; and test $i -lt (count $words)
            set folder $words[(math $i + 1)]
        else if string match -qr -- '^--?runs[_-]dir=' $words[$i]
            set folder (string replace -r -- '^[^=]*=' '' $words[$i])
        end
    end
    for kind in $argv
        for run in $folder/$kind/*/
            basename $run
        end
    end
end

complete -c dadarts -f
"""


def bash(commands: Mapping[str, Completed]) -> str:
    """A script for bash."""
    values = "\n".join(f"    {key}) {_bash_values(found)} ;;" for key, found in _valued(commands))
    arguments = "\n".join(
        f'        {name}) flags="{_flags(command)}"; {_bash_values(command.arguments)} ;;'
        for name, command in commands.items()
    )
    return _BASH.replace("@COMMANDS@", " ".join(commands)).replace("@VALUES@", values).replace("@ARGUMENTS@", arguments)


def _flags(command: Completed) -> str:
    return " ".join(f"--{flag}" for flag in command.flags)


def _bash_values(values: Values) -> str:
    return f'known="{" ".join(values.words)}"; kinds="{" ".join(values.runs)}"; files="{"yes" if values.files else ""}"'


def zsh(commands: Mapping[str, Completed]) -> str:
    """A script for zsh, which shows what commands and flags are for."""
    values = "\n".join(f"    {key}) {_zsh_values(found)}; return ;;" for key, found in _valued(commands))
    arguments = "\n".join(
        f"    {name}) flags=({_described({f'--{flag}': said for flag, (said, _) in command.flags.items()})})\n"
        f"        if [[ $PREFIX == -* ]]; then _describe flag flags; else {_zsh_values(command.arguments)}; fi ;;"
        for name, command in commands.items()
    )
    listed = _described({name: command.about for name, command in commands.items()})
    return _ZSH.replace("@COMMANDS@", listed).replace("@VALUES@", values).replace("@ARGUMENTS@", arguments)


def _described(said: Mapping[str, str]) -> str:
    """What `_describe` of zsh takes: in quotes, a colon before what each is for."""
    return " ".join(_quoted(f"{name}:{_brief(text)}") for name, text in said.items())


def _zsh_values(values: Values) -> str:
    parts = [f"compadd -- {' '.join(values.words)}"] if values.words else []
    parts += [f"_dadarts_runs {' '.join(values.runs)}"] if values.runs else []
    parts += ["_files"] if values.files else []
    return "; ".join(parts) or "_message value"


def fish(commands: Mapping[str, Completed]) -> str:
    """A script for fish, which shows what commands and flags are for."""
    lines = [
        f"complete -c dadarts -n __fish_use_subcommand -a {name} -d {_quoted(command.about)}"
        for name, command in commands.items()
    ]
    for name, command in commands.items():
        seen = f"complete -c dadarts -n '__fish_seen_subcommand_from {name}'"
        if command.arguments != Values():
            lines.append(f"{seen} {_fish_values(command.arguments)}")
        for flag, (said, values) in command.flags.items():
            takes = "" if values is None else f" -r {_fish_values(values)}"
            lines.append(f"{seen} -l {flag} -d {_quoted(_brief(said))}{takes}")
    return _FISH + "\n".join(lines) + "\n"


def _fish_values(values: Values) -> str:
    words = " ".join([*values.words, *([f"(__dadarts_runs {' '.join(values.runs)})"] if values.runs else [])])
    parts = [f"-a {_quoted(words)}"] if words else []
    return " ".join([*parts, "-F" if values.files else "-f"])


def _valued(commands: Mapping[str, Completed]) -> Iterator[tuple[str, Values]]:
    """Every command and flag, as ``search:device``, with the flag's values; those that need none are left out."""
    for name, command in commands.items():
        for flag, (_, values) in command.flags.items():
            if values is not None:
                yield f"{name}:{flag}", values


def _brief(text: str) -> str:
    first = re.split(r"[;(]", text)[0].strip().replace(":", " -")
    return first if len(first) <= _SHORT else first[: _SHORT - 3].rstrip() + "..."


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "").replace("'", "") + "'"


SHELLS: Mapping[str, Callable[[Mapping[str, Completed]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
