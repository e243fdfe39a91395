/** The command line as data: what the help, the completions of shells and the manual pages say of it. */
import type { EventEmitter } from 'node:events';
import type { Argument, Command, Option } from 'commander';

export interface CommandNode {
  /** From the program down: `['entrepot', 'token', 'create']`. */
  readonly words: readonly string[];
  readonly summary: string;
  /** What follows the words, such as `[options] <REF>`. */
  readonly usage: string;
  readonly operands: readonly Operand[];
  /** Without those of the commands above. */
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
  /** What the help shows at its end: examples. */
  readonly notes: string;
}

export interface Value {
  /** As the help shows it, such as `FILE` or `REF|GLOB`. */
  readonly name: string;
  /** What a shell can offer for it. */
  readonly offers: 'files' | 'folders' | readonly string[];
}

export interface Operand extends Value {
  /** Such as `[NAME...]`. */
  readonly term: string;
  readonly description: string;
  readonly isRepeated: boolean;
}

export interface OptionNode {
  /** Such as `--data <DIR>`. */
  readonly term: string;
  /** `--data` */
  readonly flag: string;
  readonly description: string;
  readonly value: Value | undefined;
}

/** The tree of `program`. The command `help`, which each program of commander has, is left out. */
export function commandTree(program: Command, above: readonly string[] = []): CommandNode {
  const help = program.createHelp();
  const words = [...above, program.name()];
  return {
    words,
    summary: program.description(),
    usage: program.usage(),
    operands: program.registeredArguments.map((argument) => ({
      ...asValue(argument.name(), argument.argChoices),
      term: termOf(argument),
      description: argument.description,
      isRepeated: argument.variadic,
    })),
    options: help.visibleOptions(program).map((option) => ({
      term: help.optionTerm(option),
      flag: option.long ?? option.flags,
      description: help.optionDescription(option),
      value: valueOfOption(option),
    })),
    commands: program.commands.map((command) => commandTree(command, words)),
    notes: notesOf(program),
  };
}

/** Each command of the tree, the program first. */
export function flatten(node: CommandNode): readonly CommandNode[] {
  return [node, ...node.commands.flatMap(flatten)];
}

/** Options that a command takes: its own, then those of the commands above it. */
export function acceptedOptions(root: CommandNode, node: CommandNode): readonly OptionNode[] {
  const chain = flatten(root).filter(({ words }) => words.every((word, at) => node.words[at] === word));
  const all = chain.toReversed().flatMap(({ options }) => options);
  return all.filter(({ flag }, at) => all.findIndex((other) => other.flag === flag) === at);
}

function termOf(argument: Argument): string {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return argument.required ? `<${name}>` : `[${name}]`;
}

function valueOfOption(option: Option): Value | undefined {
  const name = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1];
  return name === undefined ? undefined : asValue(name, option.argChoices);
}

function asValue(name: string, choices: readonly string[] | undefined): Value {
  if (choices) return { name, offers: choices };
  if (name === 'DIR') return { name, offers: 'folders' };
  return { name, offers: /\b(?:FILE|FOLDER|PATH|KEY|RECEIPT)\b/.test(name) ? 'files' : [] };
}

/** Text that was added by `addHelpText('after', ...)`. */
function notesOf(command: Command): string {
  let notes = '';
  const write = (text: string) => {
    notes += text;
  };
  (command as Command & EventEmitter).emit('afterHelp', { error: false, command, write });
  return notes.trim();
}
