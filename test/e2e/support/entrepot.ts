/** Entrepot as people start it: its command line, in a process of its own. */
import { join } from 'node:path';
import { type RunningEntrepot, startEntrepot as startServing } from '../../support/processes.ts';
import { place } from './client.ts';
import type { Environment } from './programs.ts';

export interface EntrepotFiles {
  /** registries.conf */
  readonly registries: string;
  /** entrepot.toml */
  readonly settings?: string | undefined;
}

const noProxies = {
  ...{ HTTP_PROXY: '', HTTPS_PROXY: '', ALL_PROXY: '' },
  ...{ http_proxy: '', https_proxy: '', all_proxy: '' },
};

/** `home` keeps the data folder too: a second start in it finds what the first has kept. */
export function startEntrepot(
  home: string,
  env: Environment,
  files: EntrepotFiles,
): Promise<RunningEntrepot> {
  const registries = place(join(home, 'registries.conf'), files.registries);
  const settings = place(join(home, 'entrepot.toml'), files.settings ?? '');
  const args = ['--registries', registries, '--config', settings, '--data', join(home, 'data')];
  return startServing({ args, env: { ...env, ...noProxies } });
}
