/** `entrepot import`: its arguments, flags and help. It works with and without a running server. */
import type { Command } from 'commander';
import { examples } from '../output/examples.ts';
import { type CommandSeam, commandsOf } from './command-seam.ts';

interface Flags {
  readonly json?: true;
  readonly name?: string;
  readonly verify?: true;
  readonly cached?: true;
  readonly key?: string;
  readonly receipt?: string;
}

/** Adds `import` to the program. */
export function addImportCommand(program: Command, { loadOptions, done }: CommandSeam): void {
  commandsOf(program)(
    'import',
    'bring images from bundles and other archives here; they stay until they are purged',
  )
    .argument('<FILE|FOLDER...>', 'volumes of a bundle, OCI layouts, archives of docker, podman or oc-mirror')
    .option(
      '--name <NAME>',
      'repository, or REPOSITORY:TAG, of images without a name; registry of an oc-mirror archive',
    )
    .option('--verify', 'write nothing, and say what is right and wrong with the archives')
    .option('--cached', 'keep them as what was pulled: evicted when space is needed, tags revalidated')
    .option('--key <FILE>', 'take only volumes whose *.sha256sums are signed by this public key')
    .option('--receipt <FILE>', 'where to write what is here now, for "entrepot export --base"')
    .addHelpText(
      'after',
      examples(
        'entrepot import /media/usb/site.0001.tar /media/usb/site.0002.tar',
        'entrepot import --name quay.io/team/app app.tar',
        'entrepot import --verify /media/usb',
      ),
    )
    .action(async (paths: string[], flags: Flags, command: Command) => {
      const { importArchives } = await import('./import.ts');
      const { name, key, receipt } = flags;
      const importFlags = {
        name,
        key,
        receipt,
        verify: flags.verify ?? false,
        cached: flags.cached ?? false,
        showsProgress: flags.json === undefined,
      };
      done(await importArchives(paths, importFlags, loadOptions(command)), flags);
    });
}
