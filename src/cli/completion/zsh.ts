/** Completion for zsh 5: one function for each command, with the specifications that `_arguments` reads. */
import { acceptedOptions, type CommandNode, flatten, type OptionNode, type Value } from './command-tree.ts';

/** The script, to be put into a folder of `fpath` as `_entrepot`, or sourced after compinit. */
export function zshCompletion(root: CommandNode): string {
  const functions = flatten(root).map((node) => functionFor(root, node));
  return `#compdef entrepot
# Completion of entrepot for zsh, made by "entrepot completion zsh".
${functions.join('\n')}
if [[ $funcstack[1] == _entrepot ]]; then _entrepot "$@"; else compdef _entrepot entrepot; fi
`;
}

function functionName(node: CommandNode): string {
  return `_${node.words.join('_')}`;
}

function functionFor(root: CommandNode, node: CommandNode): string {
  const options = acceptedOptions(root, node).map(optionSpecification);
  const operands = node.operands.map((operand) => {
    const place = operand.isRepeated ? '*:' : ':';
    return quoted(`${place}${escaped(operand.name)}:${actionFor(operand)}`);
  });
  if (node.commands.length === 0) {
    return `${functionName(node)}() {\n  _arguments -S ${[...options, ...operands].join(' ')}\n}`;
  }
  const names = node.commands.map(({ words, summary }) => quoted(`${words.at(-1)}:${escaped(summary)}`));
  const calls = node.commands.map((child) => `    ${child.words.at(-1)}) ${functionName(child)} ;;`);
  return `${functionName(node)}() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C ${options.join(' ')} ': :->command' '*:: :->rest'
  case $state in
  command) local -a commands=(${names.join(' ')}); _describe command commands ;;
  rest)
    case $words[1] in
${calls.join('\n')}
    esac ;;
  esac
}`;
}

function optionSpecification({ flag, description, value }: OptionNode): string {
  const repeat = /may be repeated/.test(description) ? '*' : '';
  if (!value) return quoted(`${repeat}${flag}[${escaped(description)}]`);
  return quoted(`${repeat}${flag}[${escaped(description)}]:${escaped(value.name)}:${actionFor(value)}`);
}

function actionFor({ name, offers }: Value): string {
  if (offers === 'files') return '_files';
  if (offers === 'folders') return '_files -/';
  // A message for a value, but never in place of a flag.
  return offers.length > 0 ? `(${offers.join(' ')})` : `_guard "^-*" ${name.replaceAll(/\W+/g, ' ')}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
