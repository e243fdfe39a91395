/** An open file of the disk store, and the streams that read it. The descriptor is closed after the last of them. */
import { stat } from 'node:fs/promises';
import type { StoredBlob, Version } from './blob-store.ts';
import { StoredFileStream, type StreamSource } from './stored-file-stream.ts';

export interface StoredFileOptions extends Omit<StreamSource, 'fd'> {
  readonly ino: number;
  readonly size: number;
  /** Epoch ms. */
  readonly modified: number;
  readonly version: Version;
}

/** Takes over the descriptor: `release` closes it. */
export class StoredFile implements StoredBlob {
  readonly size: number;
  readonly modified: number;
  readonly version: Version;
  readonly #ino: number;
  readonly #source: StreamSource;
  readonly #close: () => void;
  #users = 1;
  #isClosed = false;

  constructor(fd: number, { path, buffers, release, ...file }: StoredFileOptions) {
    this.#ino = file.ino;
    this.size = file.size;
    this.modified = file.modified;
    this.version = file.version;
    this.#close = release;
    this.#source = { fd, path, buffers, release: () => this.#leave() };
  }

  stream(start: number, end: number): StoredFileStream {
    this.#users += 1;
    return new StoredFileStream(this.#source, start, end);
  }

  isCurrent(): Promise<boolean> {
    return stat(this.#source.path).then(
      ({ ino }) => ino === this.#ino,
      () => false,
    );
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leave();
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#close();
  }
}
