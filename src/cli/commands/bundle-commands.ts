/** The commands that carry images over an air gap: their arguments, flags and help. They work with and without a running server. */
import type { Command } from 'commander';
import { examples } from '../output/examples.ts';
import { type CommandSeam, commandsOf, gather } from './command-seam.ts';
import type { ExportFlags } from './export.ts';

/** Adds `export` to the program. */
export function addBundleCommands(program: Command, { loadOptions, done }: CommandSeam): void {
  const add = commandsOf(program);

  add('export', 'write images to a bundle, which other tools read and a site without a network imports')
    .argument(
      '[REF|GLOB...]',
      'images to fetch, or patterns over what is known here, such as "quay.io/team/**"',
    )
    .option('--to <NAME>', 'path of the bundle: NAME.0001.tar and so on, and NAME.sha256sums')
    .option('--sync <NAME>', 'what a [[sync]] block selects; may be repeated', gather)
    .option('--from-list <FILE>', 'images and patterns of a file, one a line; may be repeated', gather)
    .option('--from-kubernetes <FILE>', 'images that manifests of Kubernetes name; may be repeated', gather)
    .option('--platform <OS/ARCH>', 'only this platform of a multi-platform image; may be repeated', gather)
    .option('--no-referrers', 'leave out signatures, SBOMs and other referrers')
    .option('--volume-size <SIZE>', 'begin a new volume at this size, such as 4GiB; a blob may be cut')
    .option(
      '--base <RECEIPT>',
      'leave out what this receipt of the other site lists; may be repeated',
      gather,
    )
    .option(
      '--since <VOLUME>',
      'leave out what an earlier bundle held, as if it had arrived; may be repeated',
      gather,
    )
    .option('--check <RECEIPT>', 'tell what is lacking at the site of this receipt, and write nothing')
    .option('--sign <KEY>', 'sign NAME.sha256sums with this Ed25519 key (PEM)')
    .option(
      '--config-for <HOST>',
      'write configuration for clients of the Entrepot that imports it, to NAME.config/',
    )
    .option('--sealed', 'with --config-for: the clients ask no registry but that Entrepot')
    .option('--docker', 'add manifest.json, which "docker load" needs; podman then gives other digests')
    .option('--dry-run', 'tell what would be written; fetch and write nothing')
    .addHelpText(
      'after',
      examples(
        'entrepot export --to /media/site quay.io/team/app:1 "registry.k8s.io/**"',
        'entrepot export --to /media/site --sync ubi --volume-size 4GiB --base site.receipt.json',
      ),
    )
    .action(async (images: string[], flags: ExportFlags, command: Command) => {
      const { exportImages } = await import('./export.ts');
      done(await exportImages(images, flags, loadOptions(command)), flags);
    });
}
