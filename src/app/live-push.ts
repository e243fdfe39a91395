/** Pushes by the `[[push]]` rules in force, over upload sessions that outlive a reload. */
import { join } from 'node:path';
import type { HostedContent } from '../cache/hosted-content.ts';
import type { Agreement } from '../cache/shared/agreement.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Hasher } from '../lib/bytes/hasher.ts';
import type { Clock } from '../lib/clock.ts';
import type { Secure } from '../placement/secure.ts';
import type { HostedPull } from '../pull/hosted/hosted-pull.ts';
import { createPush, type PushedContent } from '../push/create-push.ts';
import { createDurable } from '../push/durable.ts';
import type { Push } from '../push/push.ts';
import { createTakeUpstream } from '../push/take-upstream.ts';
import { openUploads, type Uploads } from '../push/uploads.ts';
import type { Log } from '../telemetry/log.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LivePushDeps {
  readonly routes: LiveRoutes;
  readonly content: HostedContent;
  readonly uploads: Uploads;
  readonly pull: HostedPull;
  readonly secure: Secure;
  readonly agreement: Agreement;
  readonly clock: Clock;
  readonly log: Pick<Log, 'debug'>;
}

/** Opens the sessions in the folder `data`. Rejects with what the file system says. */
export function openLiveUploads(
  deps: {
    readonly clock: Clock;
    readonly hasher: Hasher;
    readonly content: HostedContent;
    readonly log: Pick<Log, 'info' | 'error'>;
    /** Undefined: this server belongs to no cluster. */
    readonly cluster: Pick<Cluster, 'homeMark'> | undefined;
  },
  data: string,
): Promise<Uploads> {
  const { log, cluster, ...rest } = deps;
  const onDropped = (upload: object) =>
    log.info({ event: 'push.uploadDropped', ...upload }, 'an upload was dropped');
  const onFailed = (err: unknown) =>
    log.error({ event: 'push.uploadStays', err }, 'the files of an upload could not be removed');
  const homeMark = () => cluster?.homeMark ?? '';
  return openUploads({ ...rest, homeMark, onDropped, onFailed }, join(data, 'uploads'));
}

/** Each request takes the rules that are in force when it comes. */
export function createLivePush(deps: LivePushDeps): Push {
  const { routes, content, uploads, pull, agreement, clock, log } = deps;
  const takeUpstream = createTakeUpstream(deps);
  const durable = createDurable(deps.secure);
  const onStored = ({ image, ...stored }: PushedContent) =>
    log.debug({ event: 'push.stored', image: image.name, ...stored }, 'content was pushed');
  const current = routes.each(({ settings }) =>
    createPush({ content, uploads, pull, agreement, takeUpstream, durable, clock, onStored }, settings.push),
  );
  return {
    rule: (image) => current().rule(image),
    imagesServing: (...asked) => current().imagesServing(...asked),
    begin: (...asked) => current().begin(...asked),
    mount: (...asked) => current().mount(...asked),
    status: (key) => current().status(key),
    append: (key, chunk) => current().append(key, chunk),
    finish: (...asked) => current().finish(...asked),
    cancel: (key) => current().cancel(key),
    putManifest: (...asked) => current().putManifest(...asked),
    removeTag: (...asked) => current().removeTag(...asked),
    removeManifest: (...asked) => current().removeManifest(...asked),
    removeBlob: (...asked) => current().removeBlob(...asked),
  };
}
