/** Errors of a connection to the server of this machine whose other side ended. */
import { systemCode } from '../lib/thrown.ts';

/** Whether the connection broke, or could not be made. */
export function isBrokenConnection(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ECONNREFUSED', 'ERR_STREAM_PREMATURE_CLOSE'].includes(
    systemCode(error) ?? '',
  );
}
