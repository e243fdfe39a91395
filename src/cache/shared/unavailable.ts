/** What replicas share cannot be asked now: the same may succeed later. The message shows no secret. */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable';
}
