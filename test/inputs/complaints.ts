import { type Complaint, InputError } from '../../harness/inputs/input-error.ts';

/** For tests: what is complained about while `work` is done; nothing if it succeeds. */
export function complaintsOf(work: () => unknown): readonly Complaint[] {
  try {
    work();
  } catch (error) {
    if (error instanceof InputError) return error.complaints;
    throw error;
  }
  return [];
}
