/** `entrepot backup` and `entrepot restore`: their arguments, flags and help. */
import { type Command, Option } from 'commander';
import { examples } from '../output/examples.ts';
import { type CommandSeam, commandsOf } from './command-seam.ts';

interface BackupFlags {
  readonly to: string;
  readonly content: string;
  readonly json?: true;
}

interface RestoreFlags {
  readonly verify?: true;
  readonly json?: true;
}

/** Adds both to the program. */
export function addBackupCommands(program: Command, { loadOptions, done }: CommandSeam): void {
  const add = commandsOf(program);
  add('backup', 'write tags, tokens and pushed content as they are now, while the server runs or not')
    .requiredOption('--to <FILE|FOLDER>', 'a tar, or an existing folder that each backup brings up to date')
    .addOption(
      new Option('--content <WHICH>', 'hosted: what is pushed or imported; all: the cache, too; list: none')
        .choices(['hosted', 'all', 'list'])
        .default('hosted'),
    )
    .addHelpText(
      'after',
      examples('entrepot backup --to /backup/entrepot.tar', 'entrepot backup --to /backup/entrepot/ --json'),
    )
    .action(async (flags: BackupFlags, command: Command) => {
      const { backup } = await import('./backup.ts');
      done(await backup(flags, loadOptions(command)), flags);
    });

  add('restore', 'make a data folder from a backup: an empty folder, whole or not at all')
    .argument('<FILE|FOLDER>', 'what "entrepot backup" wrote')
    .option('--verify', 'only read all of the backup, and say whether it is whole and right')
    .addHelpText(
      'after',
      examples(
        'entrepot restore /backup/entrepot.tar --data /var/lib/entrepot',
        'entrepot restore --verify /backup/entrepot.tar',
      ),
    )
    .action(async (from: string, flags: RestoreFlags, command: Command) => {
      const { restore } = await import('./restore.ts');
      done(await restore(from, flags, loadOptions(command)), flags);
    });
}
