/** Secrets of a store from files, which are read again when they change. */
import { createSecretFiles } from '../config/credentials/secret-files.ts';
import { EntrepotError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Exchanges } from './exchange.ts';

export interface StoreSecrets {
  /** Throws StoreError `refused` for a file that cannot be used. */
  get(path: string): string;
}

/** For one store. */
export function createStoreSecrets({
  clock,
  exchanges,
}: {
  readonly clock: Clock;
  readonly exchanges: Pick<Exchanges, 'error'>;
}): StoreSecrets {
  const files = createSecretFiles({ clock });
  return {
    get(path) {
      try {
        return files.get(path);
      } catch (error) {
        if (!(error instanceof EntrepotError)) throw error;
        throw exchanges.error('refused', error.located);
      }
    },
  };
}
