import type { PartialConfig } from '../config/load.ts';
import { EntrepotError, joinErrors } from '../errors.ts';

/** What is wrong with the configuration, and how a command reaches the running server nevertheless. */
export function unknownFolder({ errors }: Pick<PartialConfig, 'errors'>): EntrepotError {
  const message = 'until that is mended, the data folder is not known: name that of the server with --data';
  return joinErrors([...errors, new EntrepotError('DATA_UNUSABLE', message)]);
}
