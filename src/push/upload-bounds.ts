/** How many upload sessions there may be. Each has two files, and an open one while bytes come. */
import type { UploadFailure } from './push.ts';
import type { UploadSession } from './upload-session.ts';

export const maxUploadsPerOwner = 64;
export const maxUploads = 1000;
/** ms without a byte after which a session may go for a new one: clients that were killed must not lock out the next ones. */
const giveWayAfter = 600_000;

/** `since`: epoch ms. */
export function isIdle(
  { isBusy, touched }: Pick<UploadSession, 'isBusy' | 'touched'>,
  since: number,
): boolean {
  return !isBusy && touched < since;
}

/** Whether `owner` may begin one more, and which session has to go for it. `now`: epoch ms. */
export function boundUploads(
  all: readonly UploadSession[],
  owner: string,
  now: number,
): { readonly refused?: UploadFailure; readonly givesWay?: UploadSession } {
  const own = all.filter(({ facts }) => facts.owner === owner);
  const isOwn = own.length >= maxUploadsPerOwner;
  if (!isOwn && all.length < maxUploads) return {};
  const givesWay = (isOwn ? own : all)
    .filter((session) => isIdle(session, now - giveWayAfter))
    .reduce<UploadSession | undefined>(
      (first, one) => (first && first.touched <= one.touched ? first : one),
      undefined,
    );
  const limit = isOwn ? maxUploadsPerOwner : maxUploads;
  return givesWay ? { givesWay } : { refused: { kind: 'tooManyUploads', limit, isOwn } };
}
