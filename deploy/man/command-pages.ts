/** Manual pages of the program and of each command, from what `--help` prints too. */
import { type CommandNode, flatten, type OptionNode } from '../../src/cli/completion/command-tree.ts';
import { bold, filled, heading, italic, page, plain, section, subsection, tagged, verbatim } from './roff.ts';

export interface Edition {
  readonly version: string;
  /** Seconds since 1970. */
  readonly date: number;
}

/** Texts of `entrepot.1` and `entrepot-COMMAND.1` by file name. `environment` is roff for a section of the first. */
export function commandPages(root: CommandNode, edition: Edition, environment: string): Map<string, string> {
  const pages = root.commands.map(
    (node) => [`${pageName(node)}.1`, commandPage(root, node, edition)] as const,
  );
  return new Map([['entrepot.1', programPage(root, edition, environment)], ...pages]);
}

function programPage(root: CommandNode, edition: Edition, environment: string): string {
  const commands = root.commands.map((node) => tagged(reference(pageName(node), 1), sentence(node.summary)));
  return page([
    heading('entrepot', 1, edition.version, edition.date),
    ...named(root),
    section('Commands'),
    ...commands,
    section('Options'),
    ...root.options.map(option),
    section('Notes'),
    ...root.notes.split('\n').map((line) => `.PP\n${filled(plain(line))}`),
    section('Environment'),
    environment,
    section('See also'),
    `${[reference('entrepot.toml', 5), reference('entrepot-registries.conf', 5)].join(',\n')}`,
  ]);
}

function commandPage(root: CommandNode, node: CommandNode, edition: Edition): string {
  const subcommands = flatten(node).slice(1);
  return page([
    heading(pageName(node), 1, edition.version, edition.date),
    ...named(node),
    ...details(node, section),
    ...(subcommands.length > 0 ? [section('Commands')] : []),
    ...subcommands.flatMap((one) => [
      subsection(one.words.join(' ')),
      filled(synopsis(one)),
      `.PP\n${filled(sentence(one.summary))}`,
      ...details(one, () => '.PP'),
    ]),
    section('Common options'),
    ...root.options.map(option),
    ...examples(node),
    section('Exit status'),
    `0: done. 1: failed. 2: bad usage or unusable configuration. 3: done in part.`,
    section('See also'),
    `${reference('entrepot', 1)},\n${reference('entrepot.toml', 5)}`,
  ]);
}

function named(node: CommandNode): readonly string[] {
  return [
    section('Name'),
    `${plain(pageName(node))} \\- ${plain(node.summary.replace(/\.$/, ''))}`,
    section('Synopsis'),
    filled(synopsis(node)),
    section('Description'),
    filled(sentence(node.summary)),
  ];
}

/** Operands and options of the command. */
function details(node: CommandNode, title: (text: string) => string): readonly string[] {
  const own = node.options.filter(({ flag }) => flag !== '--help');
  return [
    ...(node.operands.length > 0 ? [title('Operands')] : []),
    ...node.operands.map(({ term, description }) => tagged(italic(term), sentence(description))),
    ...(own.length > 0 ? [title('Options')] : []),
    ...own.map(option),
  ];
}

function option({ term, description }: OptionNode): string {
  const [flag = '', ...value] = term.split(' ');
  return tagged([bold(flag), ...value.map(italic)].join(' '), sentence(description));
}

function examples(node: CommandNode): readonly string[] {
  const [title = '', ...lines] = node.notes.split('\n');
  if (lines.length === 0) return [];
  return [section(title.replace(':', '')), verbatim(lines.map((line) => line.trim()).join('\n'))];
}

function synopsis(node: CommandNode): string {
  return `${bold(node.words.join(' '))} ${plain(node.usage)}`;
}

function pageName(node: CommandNode): string {
  return node.words.join('-');
}

function reference(name: string, chapter: number): string {
  return `${bold(name)}(${chapter})`;
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return plain(/[.)]$/.test(whole) ? whole : `${whole}.`);
}
