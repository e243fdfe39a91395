/**
 * A data folder as the first version of the index left it: the rows that the program of that time wrote, and the contents. `parents` and
 * `totals` are counted by triggers, as they were then.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { migrations } from '../../src/cache/index/migrations.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { sha256 } from './pusher.ts';
import { storedFile } from './stored-files.ts';

export const firstImage = 'docker.io/library/alpine';
export const hostedImage = 'images.local/team/app';

const layer = 'a layer of version one\n';
const config = '{"architecture":"amd64","os":"linux"}';
const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: sha256(config), size: 37 },
  layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: sha256(layer), size: 23 }],
});
const index = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [
    {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: sha256(manifest),
      size: 399,
      platform: { os: 'linux', architecture: 'amd64' },
    },
  ],
});
const hosted = 'a blob that was pushed\n';

export const firstContents = { layer, config, manifest, index, hosted } as const;

const rows = `
  INSERT INTO names VALUES (1, '${firstImage}'), (2, 'mirror.test/library/alpine'),
    (3, 'application/vnd.oci.image.manifest.v1+json'), (4, 'application/vnd.oci.image.config.v1+json'),
    (5, 'application/vnd.oci.image.layer.v1.tar+gzip'), (6, 'application/vnd.oci.image.index.v1+json');
  INSERT INTO contents VALUES
    (1, x'015937704935698ad2b6b2639f3252e59398215f381fe53e02edbe3130cbc7dee4', 23, NULL, NULL, 1760000000000, 0, 0),
    (2, x'019d99a75171aea000c711b34c0e5e3f28d3d537dd99d110eafbfbc2bd8e52c2bf', 37, NULL, NULL, 1760000000000, 0, 0),
    (3, x'01bdf5ed42b5aaa3b57ae4a073be070a3d4031ef7411ea962b921d31f51d0fc9e5', 399, 3, NULL, 1760000000000, 0, 0),
    (4, x'0111efca0797532f76ee82704f7e75155bac1ae2304e869731e7f6f941507edc9f', 289, 6, NULL, 1760000000000, 0, 0);
  INSERT INTO children VALUES (3, 1, 23, 5, NULL), (3, 2, 37, 4, NULL), (4, 3, 399, 3, 'linux/amd64');
  INSERT INTO tags VALUES (1, '3', 4, 2, 1760000000000), (1, 'latest', 4, 2, 1760000000000);
  INSERT INTO links VALUES (1, 1, 2), (1, 2, 2), (1, 3, 2), (1, 4, 2);
  INSERT INTO lists VALUES (1, 'tags', '', x'5b2233222c226c6174657374225d', 1760000000000);
  INSERT INTO meta VALUES ('pins', '["docker.io/library/**"]');
`;

/** Of version 3 on: an image hosts a blob. */
const hostedRows = `
  INSERT INTO names VALUES (20, '${hostedImage}'), (21, 'push');
  INSERT INTO contents (id, digest, size, used) VALUES (20, x'01${sha256(hosted).slice(7)}', ${hosted.length}, 1760000000000);
  INSERT INTO links (image, content, endpoint) VALUES (20, 20, 21);
`;

/** Makes the folder as the program of this version of the index (from 1) left it. */
export function writeOldDataFolder(data: string, version: number): void {
  const contents = version < 3 ? [layer, config, manifest, index] : [layer, config, manifest, index, hosted];
  for (const content of contents) {
    const file = storedFile(data, sha256(content) as Digest);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  mkdirSync(join(data, 'incoming'));
  const db = new SqliteDatabase(join(data, 'index-v1.sqlite'));
  db.pragma('journal_mode = WAL');
  for (const [step, sql] of migrations.slice(0, version).entries()) {
    migrate(db, sql, step + 1);
    if (step === 0) db.exec(rows);
    if (step === 2) db.exec(hostedRows);
  }
  db.close();
}

function migrate(db: Database, sql: string, version: number): void {
  db.exec(sql);
  db.pragma(`user_version = ${version}`);
}
