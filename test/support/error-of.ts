import { PageTableError } from '../../src/errors.ts';

/** The error that a call throws. @throws Error if it throws none, or another kind */
export function errorOf(call: () => unknown): PageTableError {
  try {
    call();
  } catch (error) {
    if (error instanceof PageTableError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
