/** Real servers of buckets, each on a free port and in a folder of its own. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { type RunningProcess, startProcess } from '../../support/processes.ts';
import { type Cleanup, tempFolder } from '../../support/temp-folder.ts';

export interface BucketServer {
  readonly endpoint: string;
  /** Of its administrator. */
  readonly accessKey: string;
  readonly secretKey: string;
}

const azuriteMain = fileURLToPath(
  new URL('../../../.ci/azurite/node_modules/azurite/dist/src/blob/main.js', import.meta.url),
);

/** Undefined where it is there: `npm ci --prefix .ci/azurite` installs it. */
export const azuriteObstacle = existsSync(azuriteMain)
  ? undefined
  : 'not installed: azurite (npm ci --prefix .ci/azurite)';

/** An S3 server over files (`versitygw` of .ci/go-programs). */
export async function startVersity(test: Cleanup): Promise<BucketServer> {
  const folder = tempFolder(test);
  const key = { accessKey: 'AKVERSITY', secretKey: 'the-secret-of-versity' };
  const port = await freePort();
  for (const name of ['buckets', 'attributes']) mkdirSync(join(folder, name));
  // Attributes of files are not there on every file system of tests.
  const store = ['posix', '--sidecar', join(folder, 'attributes'), join(folder, 'buckets')];
  const running = startProcess(
    'versitygw',
    ['--port', `127.0.0.1:${port}`, '--quiet', '--keep-alive', ...store],
    {
      env: { ROOT_ACCESS_KEY: key.accessKey, ROOT_SECRET_KEY: key.secretKey },
    },
  );
  return ready(test, running, { ...key, endpoint: `http://127.0.0.1:${port}` });
}

/** The emulator of Azure Blob Storage; its account and key are published ones. */
export async function startAzurite(test: Cleanup): Promise<BucketServer> {
  const port = await freePort();
  const where = ['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', tempFolder(test)];
  const running = startProcess(process.execPath, [
    azuriteMain,
    ...where,
    '--silent',
    '--skipApiVersionCheck',
    '--disableTelemetry',
  ]);
  const accessKey = 'devstoreaccount1';
  const secretKey =
    'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
  return ready(test, running, { accessKey, secretKey, endpoint: `http://127.0.0.1:${port}` });
}

async function ready(test: Cleanup, running: RunningProcess, server: BucketServer): Promise<BucketServer> {
  test.after(async () => void (await running.stop('SIGKILL')));
  await Promise.race([
    eventually('the server of the bucket answers', () =>
      fetch(server.endpoint).then(
        () => true,
        () => false,
      ),
    ),
    running.exited.then(() => {
      throw new Error(`the server of the bucket ended: ${running.stderr}`);
    }),
  ]);
  return server;
}
