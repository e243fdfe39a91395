/** The commands that concern the cache: their arguments, flags and help. They work with and without a running server. */
import type { Command } from 'commander';
import { EntrepotError } from '../../errors.ts';
import { examples } from '../output/examples.ts';
import { type CommandSeam, commandsOf, gather } from './command-seam.ts';

interface Flags {
  readonly json?: true;
  readonly platform?: readonly string[];
  readonly rate?: string;
  readonly pinned?: true;
  readonly dryRun?: true;
  readonly from?: string;
  readonly allowDelete?: true;
  readonly now?: true;
  readonly hosted?: true;
}

/** Adds `list`, `usage`, `gc`, `scrub`, `purge`, `pin`, `unpin`, `pull` and `sync` to the program. */
export function addCacheCommands(program: Command, { loadOptions, done }: CommandSeam): void {
  const add = commandsOf(program);

  add('list', 'list the cached images, and the platforms that can be pulled without a registry')
    .argument('[GLOB]', 'only images that match, such as "docker.io/team/**" or "**:latest"')
    .addHelpText('after', examples('entrepot list', 'entrepot list "docker.io/team/**"'))
    .action(async (match: string | undefined, flags: Flags, command: Command) => {
      const { list } = await import('./list.ts');
      done(await list(match, loadOptions(command)), flags);
    });

  add('usage', 'show disk use by registry, repository and quota')
    .addHelpText('after', examples('entrepot usage'))
    .action(async (flags: Flags, command: Command) => {
      const { usage } = await import('./usage.ts');
      done(await usage(loadOptions(command)), flags);
    });

  add('gc', 'repair the index, remove damaged files, and evict what is above the limits of the cache')
    .addHelpText('after', examples('entrepot gc'))
    .action(async (flags: Flags, command: Command) => {
      const { gc } = await import('./gc.ts');
      done(await gc(loadOptions(command)), flags);
    });

  add('scrub', 'check every cached byte against its digest, and fetch damaged content again')
    .argument('[GLOB]', 'only content of images that match, such as "docker.io/team/**" or "**:latest"')
    .option('--rate <SIZE>', 'read at most this much per second, such as 50MiB')
    .addHelpText('after', examples('entrepot scrub --rate 50MiB'))
    .action(async (match: string | undefined, flags: Flags, command: Command) => {
      const { scrub } = await import('./scrub.ts');
      const scrubFlags = { rate: flags.rate, showsProgress: flags.json === undefined };
      done(await scrub(match, scrubFlags, loadOptions(command)), flags);
    });

  add('purge', 'remove images from the cache; pinned and hosted images stay')
    .argument(
      '<REF|GLOB...>',
      'a tag or digest, a whole repository, or a pattern such as "docker.io/team/**"',
    )
    .option('--pinned', 'remove pinned images, too')
    .option('--hosted', 'remove pushed and imported images, too: nothing else has them')
    .addHelpText('after', examples('entrepot purge quay.io/team/app:1', 'entrepot purge "**:nightly-*"'))
    .action(async (what: string[], flags: Flags, command: Command) => {
      const { purge } = await import('./purge.ts');
      done(
        await purge(
          what,
          { pinned: flags.pinned ?? false, hosted: flags.hosted ?? false },
          loadOptions(command),
        ),
        flags,
      );
    });

  add('pin', 'never evict these images; without an argument, list the pins')
    .argument('[REF|GLOB...]', 'a tag, a whole repository, or a pattern such as "registry.k8s.io/pause:*"')
    .addHelpText('after', examples('entrepot pin "registry.k8s.io/pause:*"', 'entrepot pin'))
    .action(async (what: string[], flags: Flags, command: Command) => {
      const { pin } = await import('./pins.ts');
      done(await pin(what, loadOptions(command)), flags);
    });

  add('unpin', 'remove pins that "entrepot pin" made')
    .argument('<REF|GLOB...>', 'pins, as "entrepot pin" lists them')
    .addHelpText('after', examples('entrepot unpin "registry.k8s.io/pause:*"'))
    .action(async (what: string[], flags: Flags, command: Command) => {
      const { unpin } = await import('./pins.ts');
      done(await unpin(what, loadOptions(command)), flags);
    });

  add('pull', 'download images into the cache')
    .argument('<REF...>', 'images, such as quay.io/team/app:1')
    .option('--platform <OS/ARCH>', 'only this platform of a multi-platform image; may be repeated', gather)
    .addHelpText('after', examples('entrepot pull --platform linux/arm64 quay.io/team/app:1'))
    .action(async (references: string[], flags: Flags, command: Command) => {
      const { pull } = await import('./pull.ts');
      const pullFlags = { platforms: flags.platform ?? [], showsProgress: flags.json === undefined };
      done(await pull(references, pullFlags, loadOptions(command)), flags);
    });

  add('sync', 'bring what the [[sync]] blocks of entrepot.toml select here')
    .argument('[NAME...]', 'names of blocks; without one, all of them')
    .option('--dry-run', 'show what a run would do, and do nothing')
    .option('--allow-delete', 'remove what is to be removed this once, though it is more than max_delete')
    .option('--now', 'run at once, though the window of a block is closed')
    .option(
      '--from <FILE>',
      'print the [[sync]] blocks for a file of regsync or "skopeo sync", and do nothing',
    )
    .addHelpText('after', examples('entrepot sync --dry-run', 'entrepot sync --from regsync.yml'))
    .action(async (names: string[], flags: Flags, command: Command) => {
      if (flags.from !== undefined) {
        const { syncFrom } = await import('./sync-from.ts');
        if (names.length > 0 || flags.dryRun)
          throw new EntrepotError('USAGE', '--from takes no NAME and no --dry-run');
        return done(syncFrom(flags.from, loadOptions(command)), flags);
      }
      const { sync } = await import('./sync.ts');
      const syncFlags = {
        isDryRun: flags.dryRun ?? false,
        showsProgress: flags.json === undefined,
        allowsDelete: flags.allowDelete ?? false,
        ignoresWindow: flags.now ?? false,
      };
      done(await sync(names, syncFlags, loadOptions(command)), flags);
    });
}
