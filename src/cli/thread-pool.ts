/**
 * Sets the size of libuv's thread pool. It must be set before a thread is used, so main.ts imports this file first. libuv gives
 * half of the threads to name look-ups, which is two of four by default: two names without an answer from DNS would then block
 * all other look-ups. A value in the environment stays.
 */
process.env.UV_THREADPOOL_SIZE ||= '16';
