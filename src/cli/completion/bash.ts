/**
 * Completion for bash 4 and later. The function finds the command among the words before the cursor, without the values of
 * options, and offers what comes next. bash splits `--data=DIR` at `=`, which the function takes as a space.
 */
import { acceptedOptions, type CommandNode, flatten, type Value } from './command-tree.ts';

/** The script, to be sourced or put into a folder of bash-completion as `entrepot`. */
export function bashCompletion(root: CommandNode): string {
  const all = flatten(root);
  const children = all.flatMap((node) => node.commands.map((child) => pattern(keyOf(node), name(child))));
  const values = all.flatMap((node) =>
    node.options
      .filter((option) => option.value)
      .map(({ flag, value }) => ({ flag: pattern(node === root ? '*' : keyOf(node), flag), value })),
  );
  return `# Completion of entrepot for bash, made by "entrepot completion bash".
_entrepot() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command= word= is_value=
  COMPREPLY=()
  [[ $current != = ]] || current=
  [[ $previous != = ]] || previous=\${COMP_WORDS[COMP_CWORD - 2]}
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word != = ]] || continue
    if [[ $is_value ]]; then is_value=; continue; fi
    case $command:$word in
      ${children.join(' | ')}) command=\${command:+$command }$word ;;
      ${values.map(({ flag }) => flag).join(' | ')}) is_value=1 ;;
    esac
  done
  case $command:$previous in
${valueCases(values)}
  esac
  local words=
  case $command in
${all.map((node) => wordCase(root, node)).join('\n')}
  esac
  [[ ! $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _entrepot entrepot
`;
}

/** Path of a command below the program: `token create`. */
function keyOf(node: CommandNode): string {
  return node.words.slice(1).join(' ');
}

function name(node: CommandNode): string {
  return node.words.at(-1) ?? '';
}

function pattern(command: string, word: string): string {
  return command === '*' ? `*:${word}` : `'${command}:${word}'`;
}

/** One branch for all flags with the same offer. */
function valueCases(
  entries: readonly { readonly flag: string; readonly value: Value | undefined }[],
): string {
  const byAction = Map.groupBy(entries, ({ value }) => actionFor(value));
  const branches = [...byAction].map(([action, group]) => {
    const flags = group.map(({ flag }) => flag).join(' | ');
    return `    ${flags})\n      ${action}\n      return ;;`;
  });
  return branches.join('\n');
}

function actionFor(value: Value | undefined): string {
  if (value?.offers === 'files') return offer('compgen -f', ['compopt -o filenames']);
  if (value?.offers === 'folders') return offer('compgen -d', ['compopt -o filenames']);
  return value && value.offers.length > 0 ? offer(`compgen -W '${value.offers.join(' ')}'`) : ':';
}

function offer(generator: string, before: readonly string[] = []): string {
  return [...before, `mapfile -t COMPREPLY < <(${generator} -- "$current")`].join('; ');
}

function wordCase(root: CommandNode, node: CommandNode): string {
  const flags = acceptedOptions(root, node).map(({ flag }) => flag);
  const choices = node.operands.flatMap(({ offers }) => (typeof offers === 'string' ? [] : offers));
  const words = [...node.commands.map(name), ...choices, ...flags].join(' ');
  const files = node.operands.find(({ offers }) => offers === 'files');
  // A dash asks for options.
  const first = files ? `[[ $current == -* ]] || { ${actionFor(files)}; return; }\n      ` : '';
  return `    '${keyOf(node)}')\n      ${first}words='${words}' ;;`;
}
