/** Completion for fish 3 and later: one line for each command and option, with the condition that it needs. */
import { type CommandNode, flatten, type OptionNode, type Value } from './command-tree.ts';

/** The script, to be put into a folder of fish as `entrepot.fish`. */
export function fishCompletion(root: CommandNode): string {
  const lines = flatten(root).flatMap((node) => [
    ...commandLines(node),
    ...node.operands.flatMap((operand) => operandLine(node, operand)),
    ...node.options.map((option) => optionLine(node, option)),
  ]);
  return `# Completion of entrepot for fish, made by "entrepot completion fish".
complete -c entrepot -f
${lines.join('\n')}
`;
}

/** True inside the command and its subcommands. */
function inside(node: CommandNode): string {
  const words = node.words.slice(1);
  if (words.length === 0) return '';
  return words.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
}

function condition(...parts: readonly string[]): string {
  const all = parts.filter((part) => part !== '').join('; and ');
  return all === '' ? '' : ` -n ${quoted(all)}`;
}

/** Subcommands are offered until one of them is there. */
function commandLines(node: CommandNode): readonly string[] {
  const names = node.commands.map(({ words }) => words.at(-1) ?? '');
  const none = `not __fish_seen_subcommand_from ${names.join(' ')}`;
  return node.commands.map(
    ({ words, summary }) =>
      `complete -c entrepot${condition(inside(node), none)} -a ${words.at(-1)} -d ${quoted(summary)}`,
  );
}

function operandLine(
  node: CommandNode,
  operand: Value & { readonly description: string },
): readonly string[] {
  if (operand.offers === 'files' || operand.offers === 'folders')
    return [`complete -c entrepot${condition(inside(node))} -F`];
  if (operand.offers.length === 0) return [];
  const words = quoted(operand.offers.join(' '));
  return [`complete -c entrepot${condition(inside(node))} -a ${words} -d ${quoted(operand.description)}`];
}

function optionLine(node: CommandNode, { flag, description, value }: OptionNode): string {
  const line = `complete -c entrepot${condition(inside(node))} -l ${flag.slice(2)} -d ${quoted(description)}`;
  if (!value) return line;
  if (value.offers === 'files') return `${line} -r -F`;
  if (value.offers === 'folders') return `${line} -x -a '(__fish_complete_directories)'`;
  return value.offers.length > 0 ? `${line} -x -a ${quoted(value.offers.join(' '))}` : `${line} -x`;
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}
