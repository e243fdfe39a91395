/** The commands that concern the cache, as the command line has them. They work while a server runs, and when none does. */
import type { Command } from 'commander';
import type { LoadOptions } from '../../config/load.ts';
import type { Result } from '../output/result.ts';

export interface CommandSeam {
  loadOptions(command: Command): LoadOptions;
  /** Prints the result and keeps its exit code. */
  done(result: Result, flags: { json?: true }): void;
}

interface Flags {
  readonly json?: true;
  readonly platform?: readonly string[];
  readonly rate?: string;
  readonly pinned?: true;
}

export function addCacheCommands(program: Command, { loadOptions, done }: CommandSeam): void {
  function add(name: string, description: string): Command {
    return program
      .command(name)
      .description(description)
      .option('--data <DIR>', 'folder of the cache')
      .option('--json', 'print JSON');
  }

  add('list', 'list the images in the cache, and what of them can be pulled without a registry')
    .argument('[GLOB]', 'only these, such as "docker.io/team/**" or "**:latest"')
    .action(async (match: string | undefined, flags: Flags, command: Command) => {
      const { list } = await import('./list.ts');
      done(await list(match, loadOptions(command)), flags);
    });

  add('usage', 'show disk use by registry, repository and quota').action(
    async (flags: Flags, command: Command) => {
      const { usage } = await import('./usage.ts');
      done(await usage(loadOptions(command)), flags);
    },
  );

  add('gc', 'make index and content agree, and everything fit within its limits, now').action(
    async (flags: Flags, command: Command) => {
      const { gc } = await import('./gc.ts');
      done(await gc(loadOptions(command)), flags);
    },
  );

  add('scrub', 'check the bytes of all that is stored, and fetch again what is damaged')
    .argument('[GLOB]', 'only what these images link, such as "docker.io/team/**" or "**:latest"')
    .option('--rate <SIZE>', 'read at most this much per second, such as 50MiB')
    .action(async (match: string | undefined, flags: Flags, command: Command) => {
      const { scrub } = await import('./scrub.ts');
      const scrubFlags = { rate: flags.rate, showsProgress: flags.json === undefined };
      done(await scrub(match, scrubFlags, loadOptions(command)), flags);
    });

  add('purge', 'remove images from the cache; without a tag or digest, the whole repository')
    .argument('<REF|GLOB...>', 'images, or patterns such as "docker.io/team/**" or "**:latest"')
    .option('--pinned', 'what is pinned, too')
    .action(async (what: string[], flags: Flags, command: Command) => {
      const { purge } = await import('./purge.ts');
      done(await purge(what, { pinned: flags.pinned ?? false }, loadOptions(command)), flags);
    });

  add('pin', 'never evict these; without an argument, list the pins')
    .argument('[REF|GLOB...]', 'images, or patterns such as "registry.k8s.io/pause:*"')
    .action(async (what: string[], flags: Flags, command: Command) => {
      const { pin } = await import('./pins.ts');
      done(await pin(what, loadOptions(command)), flags);
    });

  add('unpin', 'take pins away that were made by command')
    .argument('<REF|GLOB...>', 'as they were pinned')
    .action(async (what: string[], flags: Flags, command: Command) => {
      const { unpin } = await import('./pins.ts');
      done(await unpin(what, loadOptions(command)), flags);
    });

  add('pull', 'bring images into the cache')
    .argument('<REF...>', 'images, such as quay.io/team/app:1')
    .option(
      '--platform <OS/ARCH>',
      'only this platform of a multi-platform image; more by repeating it',
      gather,
    )
    .action(async (references: string[], flags: Flags, command: Command) => {
      const { pull } = await import('./pull.ts');
      const pullFlags = { platforms: flags.platform ?? [], showsProgress: flags.json === undefined };
      done(await pull(references, pullFlags, loadOptions(command)), flags);
    });
}

/** The values of a flag that may be repeated. (A flag with several values would take the REF behind it for one.) */
function gather(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
