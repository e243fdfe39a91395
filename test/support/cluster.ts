/** Several replicas in this process, one cluster: each with a data folder of its own, over the same registries. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AppDeps } from '../../src/app.ts';
import { ranked } from '../../src/cluster/ownership.ts';
import { shardOf } from '../../src/cluster/shards.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { Repository, Tag } from '../../src/oci/reference.ts';
import { type RunningApp, startApp } from './app.ts';
import { freePort } from './free-port.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

export interface Replica extends RunningApp {
  /** `host:port`. */
  readonly id: string;
}

export interface RunningCluster {
  readonly replicas: readonly Replica[];
  /** In the order in which they are asked for a digest; the owner is the first. */
  ofDigest(digest: Digest): readonly Replica[];
  /** The same for `docker.io/library/app:TAG`, or for its tag list. */
  ofTag(tag: string | undefined): readonly Replica[];
}

export interface ClusterFiles {
  readonly registries: string;
  readonly size?: number;
  /** Further text of entrepot.toml. */
  readonly toml?: string;
  /** Default: `http`. */
  readonly scheme?: 'http' | 'https';
  /** Puts further files into the folder of a replica. */
  readonly prepare?: (folder: string, host: string, ids: readonly string[]) => void;
  /** URLs of further members, which the test makes. */
  readonly also?: readonly string[];
  /** Further keys of `[cluster]`. */
  readonly cluster?: string;
  /** What differs on one replica: all keys of `[cluster]` (SECRET stands for the path of the secret), and dependencies. */
  readonly of?: (index: number, ids: readonly string[]) => { cluster?: string; deps?: Partial<AppDeps> };
}

export const clusterSecret = 'a secret of the replicas';

/** Each replica has an address of its own on loopback. */
export async function startCluster(test: Cleanup, files: ClusterFiles): Promise<RunningCluster> {
  const { size = 4, toml = '', also = [], scheme = 'http', prepare, of } = files;
  const net = `127.${1 + Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}`;
  const hosts = Array.from({ length: size }, (_, index) => `${net}.${index + 1}`);
  const ids = await Promise.all(hosts.map(async (host) => `${host}:${await freePort(host)}`));
  const replicas = await Promise.all(
    ids.map(async (id, index): Promise<Replica> => {
      const own = of?.(index, ids) ?? {};
      const folder = tempFolder(test);
      writeFileSync(join(folder, 'secret'), clusterSecret);
      prepare?.(folder, hosts[index] ?? '', ids);
      const urls = JSON.stringify([...ids.map((one) => `${scheme}://${one}`), ...also]);
      const usual = `peers = ${urls}\nself = "${scheme}://${id}"\nsecret_file = "${join(folder, 'secret')}"\n${files.cluster ?? ''}`;
      const app = await startApp(
        test,
        {
          folder,
          listen: id,
          registries: files.registries,
          toml: `${toml}\n[cluster]\n${own.cluster?.replace('SECRET', join(folder, 'secret')) ?? usual}`,
        },
        own.deps,
      );
      return { ...app, id, url: `${scheme}://${id}` };
    }),
  );
  const image = { registry: 'docker.io', repository: 'library/app' as Repository };
  return {
    replicas,
    ofDigest: (digest) => ranked(shardOf({ ...image, digest }), replicas),
    ofTag: (tag) => ranked(shardOf({ ...image, ...(tag !== undefined && { tag: tag as Tag }) }), replicas),
  };
}
