/** `entrepot render`: its arguments, flags and help. It needs no data folder and no server. */
import { Argument, type Command } from 'commander';
import { type RenderFormat, renderFormats } from '../../config/render/rendered.ts';
import { examples } from '../output/examples.ts';
import { type CommandSeam, gather } from './command-seam.ts';
import type { RenderFlags } from './render.ts';

interface Flags extends RenderFlags {
  readonly json?: true;
}

/** Adds `render` to the program. */
export function addRenderCommand(program: Command, { loadOptions, done }: CommandSeam): void {
  program
    .command('render')
    .description(
      'print the configuration in force in the format of a client; warn of what the format cannot say',
    )
    .addArgument(new Argument('<FORMAT>', 'the file, or the object of OpenShift').choices(renderFormats))
    .option('--for <ADDRESS>', 'this Entrepot as the mirror: HOST[:PORT], or http://HOST[:PORT] without TLS')
    .option('--insecure', 'with --for: clients do not verify its certificate')
    .option('--ca <FILE>', 'with --for: its CA, as a path on the clients')
    .option('--only <REPOSITORY>', 'only this one, such as quay.io/team/app; may be repeated', gather)
    .option('--sealed', 'clients never ask a source that has a mirror')
    .option('--out <PATH>', 'write to this file or folder (hosts.toml: folder) instead of printing')
    .option('--force', 'with --out: replace files that this command has not written')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'entrepot render registries.conf --policies policies',
        'entrepot render hosts.toml --for entrepot.corp:5000 --out /etc/containerd',
      ),
    )
    .action(async (format: RenderFormat, flags: Flags, command: Command) => {
      const { renderFor } = await import('./render.ts');
      done(renderFor(format, flags, loadOptions(command)), flags);
    });
}
