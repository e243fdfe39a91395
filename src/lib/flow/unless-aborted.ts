/**
 * Settles as `asked` does, or rejects with `reason()` once the signal is aborted: what was asked then goes on by itself. A race with one
 * promise for all calls would keep something of each call for as long as that promise is open.
 */
export async function unlessAborted<T>(
  asked: Promise<T>,
  signal: AbortSignal,
  reason: () => unknown,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = () => reject(reason());
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  try {
    return await Promise.race([asked, promise]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
