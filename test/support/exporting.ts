/** `entrepot export` in this process: an app makes the bundle, and its files are written as the command writes them. */
import { openDestination } from '../../src/airgap/export/destination.ts';
import type { ExportProgress, ExportReport, ExportRequest } from '../../src/airgap/export/export-request.ts';
import { readBase } from '../../src/airgap/export/read-base.ts';
import { createWriteBundle } from '../../src/airgap/export/write-bundle.ts';
import type { RunningApp } from './app.ts';

export interface AskedExport extends Partial<Omit<ExportRequest, 'base'>> {
  readonly to: string;
  /** Paths of receipts. */
  readonly base?: readonly string[];
  /** Paths of volumes. */
  readonly since?: readonly string[];
}

export interface ExportingOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ExportProgress) => void;
  /** Of the folder of the bundle. */
  readonly freeBytes?: (folder: string) => number;
}

/** Rejects with what the command fails with. */
export async function exportTo(
  { app }: Pick<RunningApp, 'app'>,
  { base = [], since = [], ...asked }: AskedExport,
  options: ExportingOptions = {},
): Promise<ExportReport> {
  const { signal = new AbortController().signal, onProgress = () => {}, freeBytes } = options;
  const request: ExportRequest = {
    images: [],
    syncs: [],
    platforms: [],
    referrers: true,
    volumeSize: Number.MAX_SAFE_INTEGER,
    created: undefined,
    forDocker: false,
    isDryRun: false,
    ...asked,
    base: await readBase(base, since),
  };
  const destination = await openDestination(request.to);
  const write = createWriteBundle(destination, { signal, onProgress, freeBytes });
  return app.administration.export(request, { signal, onProgress, write });
}
