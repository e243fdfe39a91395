/** What one transfer is doing, for the status. */
import type { Digest } from '../oci/digest.ts';
import type { Transfer } from './transfer.ts';

export interface TransferNow {
  readonly digest: Digest;
  /** Images that have asked for the blob. */
  readonly images: readonly string[];
  readonly state: 'filling' | 'verifying' | 'verified' | 'relaying';
  /** Bytes; undefined while no endpoint and no manifest has told. */
  readonly size: number | undefined;
  /** Bytes that are here. */
  readonly present: number;
  readonly readers: number;
  /** Hosts that have given bytes, the first one first. */
  readonly hosts: readonly string[];
  /** Epoch ms. */
  readonly began: number;
}

/** `began`: epoch ms. */
export function transferNow(transfer: Transfer, began: number): TransferNow {
  const { digest, sources, size, file, readerCount, contributors } = transfer;
  return {
    digest,
    images: sources.images,
    state: stateOf(transfer),
    size,
    present: file.present.bytes,
    readers: readerCount,
    hosts: contributors.hosts,
    began,
  };
}

function stateOf({ isVerified, isRelaying, isFilling }: Transfer): TransferNow['state'] {
  if (isVerified) return 'verified';
  if (isRelaying) return 'relaying';
  return isFilling ? 'filling' : 'verifying';
}
