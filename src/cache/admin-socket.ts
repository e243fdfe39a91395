/** Where a server that holds a data folder takes commands. */
import { join } from 'node:path';

export function adminSocket(data: string): string {
  return join(data, 'entrepot.sock');
}
