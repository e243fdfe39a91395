/** `entrepot jobs`: its subcommands, their arguments, flags and help. They work with and without a running server. */
import type { Command } from 'commander';
import { examples } from '../output/examples.ts';
import { type CommandSeam, commandsOf } from './command-seam.ts';

interface Flags {
  readonly json?: true;
  readonly state?: string;
  readonly kind?: string;
  readonly all?: true;
  readonly failed?: true;
}

/** Adds `jobs` with `list`, `show`, `retry` and `cancel` to the program. */
export function addJobCommands(program: Command, { loadOptions, done }: CommandSeam): void {
  const jobs = program
    .command('jobs')
    .description('show, retry and cancel the durable work of the server')
    .addHelpText('after', examples('entrepot jobs list --state failed'));

  const add = commandsOf(jobs);

  add('list', 'list jobs, the newest first, each with the reason of its state', { isDefault: true })
    .option('--state <STATE>', 'only jobs that are pending, running, done, failed or cancelled')
    .option('--kind <KIND>', 'only jobs of this kind')
    .addHelpText('after', examples('entrepot jobs list --state failed'))
    .action(async (flags: Flags, command: Command) => {
      const { listJobs } = await import('./jobs.ts');
      done(await listJobs(flags, loadOptions(command)), flags);
    });

  add('show', 'show one job with all that is known of it')
    .argument('<ID>', 'its number, as "entrepot jobs list" shows it')
    .addHelpText('after', examples('entrepot jobs show 17'))
    .action(async (id: string, flags: Flags, command: Command) => {
      const { showJob } = await import('./jobs.ts');
      done(await showJob(id, loadOptions(command)), flags);
    });

  add('retry', 'run jobs again now')
    .argument('[ID]', 'the number of a job that has failed, waits or was cancelled')
    .option('--failed', 'all jobs that have failed')
    .option('--all', 'all jobs that have failed or wait for their next try')
    .addHelpText('after', examples('entrepot jobs retry 17', 'entrepot jobs retry --failed'))
    .action(async (id: string | undefined, flags: Flags, command: Command) => {
      const { retryJobs } = await import('./jobs.ts');
      done(await retryJobs(id, flags, loadOptions(command)), flags);
    });

  add('cancel', 'end a job that waits or runs, or dismiss one that has failed')
    .argument('<ID>', 'its number, as "entrepot jobs list" shows it')
    .addHelpText('after', examples('entrepot jobs cancel 17'))
    .action(async (id: string, flags: Flags, command: Command) => {
      const { cancelJob } = await import('./jobs.ts');
      done(await cancelJob(id, loadOptions(command)), flags);
    });
}
