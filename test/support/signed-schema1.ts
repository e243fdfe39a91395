/** A signed schema 1 manifest as old registries serve it: its digest is that of its payload, a part of its bytes. */
import { digestOf } from './byte-source.ts';

const payload = '{\n   "schemaVersion": 1,\n   "name": "app",\n   "fsLayers": [],\n   "history": []\n}';
const header = { formatLength: payload.length - 2, formatTail: Buffer.from('\n}').toString('base64url') };
const signature = {
  header: { alg: 'ES256' },
  signature: 'c2lnbmF0dXJl',
  protected: Buffer.from(JSON.stringify(header)).toString('base64url'),
};

export const signedSchema1 = {
  bytes: `${payload.slice(0, -2)},\n   "signatures": ${JSON.stringify([signature])}\n}`,
  digest: digestOf(Buffer.from(payload)),
};
