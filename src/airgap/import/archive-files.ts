/**
 * Files and folders of `entrepot import`, as archives. A folder that holds an image layout, or the folder of a registry, is packed while it
 * is read; of any other folder all `*.tar` files are meant, in the order of their names.
 */
import { createReadStream, existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pack } from 'tar-stream';
import { EntrepotError } from '../../errors.ts';
import { systemCode } from '../../lib/thrown.ts';

export interface ArchiveFile {
  /** As the user wrote it. */
  readonly file: string;
  /** Bytes that are read; those of a folder are of its files. */
  readonly size: number;
  /** One pass over it. Fails with what the file system says, and once `signal` is aborted. */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

const tarName = /\.(?:tar|tar\.gz|tgz|tar\.zst)$/;
const chunk = 1024 * 1024;

/** The archives behind `paths`. Throws EntrepotError USAGE for what is none. */
export function findArchives(paths: readonly string[]): readonly ArchiveFile[] {
  return paths.flatMap((path) => {
    try {
      return statSync(path).isDirectory() ? archivesIn(path) : [plainFile(path)];
    } catch (error) {
      const code = systemCode(error);
      if (error instanceof EntrepotError || code === undefined) throw error;
      const message = code === 'ENOENT' ? 'there is no such file or folder' : `cannot be read: ${code}`;
      throw new EntrepotError('USAGE', message, { file: path, cause: error });
    }
  });
}

function plainFile(file: string): ArchiveFile {
  const { size } = statSync(file);
  return { file, size, open: (signal) => createReadStream(file, { highWaterMark: chunk, signal }) };
}

function archivesIn(folder: string): readonly ArchiveFile[] {
  const isLayout = ['index.json', 'manifest.json', 'docker'].some((name) => existsSync(join(folder, name)));
  if (isLayout) return [packedFolder(folder)];
  const tars = readdirSync(folder).filter((name) => tarName.test(name));
  if (tars.length === 0) {
    const message = 'is neither an image layout nor a folder of volumes: it has no index.json and no *.tar';
    throw new EntrepotError('USAGE', message, { file: folder });
  }
  return tars.toSorted().map((name) => plainFile(join(folder, name)));
}

interface FoundFile {
  readonly path: string;
  readonly size: number;
}

function packedFolder(folder: string): ArchiveFile {
  const files = [...walk(folder)];
  const size = files.reduce((sum, one) => sum + one.size, 0);
  async function* open(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const tar = pack();
    const written = (async () => {
      for (const { path, size: length } of files) {
        const name = relative(folder, path);
        const entry = tar.entry({ name, size: length });
        for await (const part of createReadStream(path, { highWaterMark: chunk, signal })) {
          if (!entry.write(part)) await new Promise((resolve) => entry.once('drain', resolve));
        }
        entry.end();
      }
      tar.finalize();
    })();
    written.catch((error: Error) => tar.destroy(error));
    yield* tar as AsyncIterable<Uint8Array>;
    await written;
  }
  return { file: folder, size, open };
}

/** Regular files. A link could lead anywhere, so it is refused. */
function* walk(folder: string): Generator<FoundFile> {
  for (const name of readdirSync(folder).toSorted()) {
    const path = join(folder, name);
    const stat = lstatSync(path);
    if (stat.isDirectory()) yield* walk(path);
    else if (stat.isFile()) yield { path, size: stat.size };
    else
      throw new EntrepotError('BUNDLE_INVALID', 'is a link or a device, which is never followed', {
        file: path,
      });
  }
}
