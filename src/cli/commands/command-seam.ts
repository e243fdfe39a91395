/** What the commands on the data folder share: their flags, and how they reach the program. */
import type { Command, CommandOptions } from 'commander';
import type { LoadOptions } from '../../config/load.ts';
import type { Result } from '../output/result.ts';

export interface CommandSeam {
  loadOptions(command: Command): LoadOptions;
  /** Prints the result and keeps its exit code. */
  done(result: Result, flags: { json?: true }): void;
}

/** Adds a command with `--data` and `--json` to `parent`. */
export function commandsOf(
  parent: Command,
): (name: string, description: string, options?: CommandOptions) => Command {
  return (name, description, options = {}) =>
    parent
      .command(name, options)
      .description(description)
      .option('--data <DIR>', 'folder of the cache')
      .option('--json', 'print JSON');
}

/** Collects the values of a flag that may be repeated. (A flag with several values would take the REF after it as one.) */
export function gather(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
