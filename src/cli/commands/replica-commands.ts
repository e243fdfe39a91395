/** `entrepot replicas`: its subcommands, their arguments, flags and help. They work with and without a running server. */
import type { Command } from 'commander';
import { examples } from '../output/examples.ts';
import { type CommandSeam, commandsOf } from './command-seam.ts';
import type { ReplicaFlags } from './replicas.ts';

interface Flags extends ReplicaFlags {
  readonly json?: true;
  readonly all?: true;
}

/** Adds `replicas` with `list` and `resync` to the program. */
export function addReplicaCommands(program: Command, { loadOptions, done }: CommandSeam): void {
  const replicas = program
    .command('replicas')
    .description('show how far repositories and tags have followed their registries, and look again')
    .addHelpText('after', examples('entrepot replicas list --state failed'));

  const add = commandsOf(replicas);

  add('list', 'list repositories that [[sync]] blocks want, each as its worst tag', { isDefault: true })
    .argument('[GLOB]', 'only those that match, such as "quay.io/team/**"')
    .option('--state <STATE>', 'only those that are done, running, pending, partial or failed')
    .option('--tags', 'list each tag')
    .addHelpText('after', examples('entrepot replicas list --tags "quay.io/team/app:1.*"'))
    .action(async (match: string | undefined, flags: Flags, command: Command) => {
      const { listReplicas } = await import('./replicas.ts');
      done(await listReplicas(match, flags, loadOptions(command)), flags);
    });

  add('resync', 'look at repositories or tags again now, with all that is attached to them')
    .argument('[GLOB]', 'those that match')
    .option('--all', 'all that the [[sync]] blocks name')
    .addHelpText(
      'after',
      examples('entrepot replicas resync quay.io/team/app', 'entrepot replicas resync --all'),
    )
    .action(async (match: string | undefined, flags: Flags, command: Command) => {
      const { resyncReplicas } = await import('./replicas.ts');
      done(await resyncReplicas(match, flags.all ?? false, loadOptions(command)), flags);
    });
}
