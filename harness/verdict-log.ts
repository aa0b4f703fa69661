import type { Mismatch, MismatchGroup } from './report.ts';

/** Groups that are kept for people; nobody reads more. */
const GROUP_LIMIT = 200;

type GrowingGroup = { -readonly [Field in keyof MismatchGroup]: MismatchGroup[Field] };

/** The group that the next mismatch of a source may join. */
interface OpenGroup {
  readonly shape: string;
  lastPoint: number;
  /** Where it is kept; undefined beyond the limit. */
  readonly group: GrowingGroup | undefined;
}

/**
 * Where mismatches are gathered: the first ones as they are, and all of them as groups. A mismatch joins a
 * group if it has the same shape as the last one of its machine, access and privilege, at the same point or
 * the next.
 */
export class MismatchLog {
  readonly mismatches: Mismatch[] = [];
  readonly #limit: number;
  readonly groups: MismatchGroup[] = [];
  readonly #latest = new Map<string, OpenGroup>();
  #count = 0;
  #groupCount = 0;

  /** @param limit how many mismatches are kept as they are */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  get omitted(): number {
    return this.#count - this.mismatches.length;
  }

  get groupsOmitted(): number {
    return this.#groupCount - this.groups.length;
  }

  /**
   * @param point number of the point in the whole plan
   * @param describe makes the mismatch; called only if it is kept or opens a group
   * @param shape what all mismatches of a group share
   */
  add(source: string, point: number, address: string, shape: string, describe: () => Mismatch): void {
    this.#count++;
    const kept = this.mismatches.length < this.#limit ? describe() : undefined;
    if (kept !== undefined) this.mismatches.push(kept);
    const open = this.#latest.get(source);
    if (open !== undefined && open.shape === shape && point <= open.lastPoint + 1) {
      open.lastPoint = point;
      if (open.group !== undefined) {
        open.group.last = address;
        open.group.count++;
      }
      return;
    }
    this.#groupCount++;
    const group =
      this.groups.length < GROUP_LIMIT
        ? { first: address, last: address, count: 1, example: kept ?? describe() }
        : undefined;
    if (group !== undefined) this.groups.push(group);
    this.#latest.set(source, { shape, lastPoint: point, group });
  }
}
