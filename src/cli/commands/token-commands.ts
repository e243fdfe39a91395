/** `entrepot token create | list | revoke`: arguments, flags and help. They work with and without a running server. */
import type { Command } from 'commander';
import { examples } from '../output/examples.ts';
import { type CommandSeam, commandsOf, gather } from './command-seam.ts';

interface Flags {
  readonly json?: true;
  readonly match?: readonly string[];
  readonly may?: string;
  readonly expires?: string;
}

/** Adds `token` to the program. */
export function addTokenCommands(program: Command, { loadOptions, done }: CommandSeam): void {
  const token = program.command('token').description('make, list and revoke credentials of programs');

  const add = commandsOf(token);

  add('create', 'make a token; it is shown this once, and a running server takes it at once')
    .argument('<NAME>', 'name of the token, which a client sends as its user name')
    .option('--match <GLOB>', 'images that it is for, such as "docker.io/team/**"; may be repeated', gather)
    .option('--may <RIGHTS>', 'what it may do: pull, push, delete, administer, with commas between', 'pull')
    .option('--expires <AGE>', 'when it stops, such as 90d (default: never)')
    .addHelpText(
      'after',
      examples('entrepot token create ci --match "images.local/team/**" --may pull,push --expires 90d'),
    )
    .action(async (name: string, flags: Flags, command: Command) => {
      const { createToken } = await import('./tokens.ts');
      const { match = [], may = '', expires } = flags;
      const wanted = { name, match, may: may.split(','), expires };
      done(await createToken(wanted, loadOptions(command)), flags);
    });

  add('list', 'list the tokens: names, rights and times, never the tokens themselves', { isDefault: true })
    .addHelpText('after', examples('entrepot token list'))
    .action(async (flags: Flags, command: Command) => {
      const { listTokens } = await import('./tokens.ts');
      done(await listTokens(loadOptions(command)), flags);
    });

  add('revoke', 'end a token at once')
    .argument('<NAME>', 'name of the token, as "entrepot token list" shows it')
    .addHelpText('after', examples('entrepot token revoke ci'))
    .action(async (name: string, flags: Flags, command: Command) => {
      const { revokeToken } = await import('./tokens.ts');
      done(await revokeToken(name, loadOptions(command)), flags);
    });
}
