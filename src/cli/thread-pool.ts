/**
 * The size of libuv's thread pool, set before anything uses a thread of it: the import of this file comes first in main.ts.
 * libuv lets look-ups of names have half of the threads, which is two by default: two names that DNS is silent about would
 * keep all others from being looked up. A size that the environment has stays.
 */
process.env.UV_THREADPOOL_SIZE ||= '16';
