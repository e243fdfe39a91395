/** `entrepot events`: its subcommands, their flags and help. They work with and without a running server. */
import type { Command } from 'commander';
import { examples } from '../output/examples.ts';
import { type CommandSeam, commandsOf } from './command-seam.ts';

interface Flags {
  readonly json?: true;
  readonly sink?: string;
  readonly dead?: true;
  readonly since?: string;
}

/** Adds `events` with `list` and `replay` to the program. */
export function addEventCommands(program: Command, { loadOptions, done }: CommandSeam): void {
  const events = program
    .command('events')
    .description('show events that wait for a sink of [[events.out]], and send events again')
    .addHelpText('after', examples('entrepot events list --dead'));

  const add = commandsOf(events);

  add('list', 'list events that wait to be sent, the oldest of each sink first, each with the reason', {
    isDefault: true,
  })
    .option('--sink <NAME>', 'only those for this sink')
    .option('--dead', 'those that were given up instead')
    .addHelpText('after', examples('entrepot events list --dead --sink audit'))
    .action(async (flags: Flags, command: Command) => {
      const { listEvents } = await import('./events.ts');
      done(await listEvents(flags, loadOptions(command)), flags);
    });

  add('replay', 'send events again now')
    .option('--dead', 'those that were given up')
    .option('--sink <NAME>', 'only to this sink')
    .option(
      '--since <TIME>',
      'all events for that sink since then, sent or not: 2026-01-31T09:05:00Z, or how long ago, such as 2h',
    )
    .addHelpText(
      'after',
      examples(
        'entrepot events replay --dead',
        'entrepot events replay --sink audit --since 2026-01-31T09:05:00Z',
      ),
    )
    .action(async (flags: Flags, command: Command) => {
      const { replayEvents } = await import('./events.ts');
      done(await replayEvents(flags, loadOptions(command)), flags);
    });
}
