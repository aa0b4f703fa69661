import { MemoryAttributes } from '../../../src/memory-attributes.ts';
import type { Rights } from '../../../src/permissions.ts';
import type { Complaint } from '../input-error.ts';
import type { RegionInQuestion } from './aarch64-details.ts';
import { hasUser } from './aarch64-geometry.ts';
import { hasNone, rightsOfWord } from './aarch64-region.ts';

const { ExecuteProtect, ReadOnly, ReadProtect, Supervisor } = MemoryAttributes;

/** What a region's `user` says. */
interface UserRights {
  readonly rights: Rights;
  /** EL0 may do nothing: the attribute supervisor under another name. */
  readonly isNothing: boolean;
}

/**
 * What EL0 may do with a region, where that is declared; what AP, UXN and PXN cannot say is complained about.
 * @param region with its attributes as they hold
 */
export function readUserRights(
  { region, written, mode, space }: RegionInQuestion,
  complaints: Complaint[],
): UserRights | undefined {
  if (written.user === undefined) return undefined;
  const { value: word, place } = written.user;
  const { attributes, name } = region;
  const rights =
    word !== 'true'
      ? rightsOfWord(word)
      : {
          read: true,
          write: (attributes & ReadOnly) === 0,
          execute: (attributes & ExecuteProtect) === 0,
        };
  const isNothing = hasNone(rights);
  const problem = hasUser(mode)
    ? inexpressible(attributes, rights, isNothing)
    : mode.regime === 'stage2'
      ? 'stage 2 does not tell EL0 from EL1: say guest'
      : `${space.name} has no EL0`;
  if (problem !== undefined)
    complaints.push({ message: `region "${name}": user ${word}: ${problem}`, ...place });
  return { rights, isNothing };
}

/** Why descriptors cannot give the privileged level what the attributes say and EL0 these rights (Arm ARM D8.4). */
function inexpressible(
  attributes: number,
  { read, write, execute }: Rights,
  isNothing: boolean,
): string | undefined {
  const has = (attribute: number) => (attributes & attribute) !== 0;
  if (isNothing) return undefined;
  if (has(ReadProtect)) return 'read-protect memory is not mapped for anybody';
  if (has(Supervisor)) return 'the attribute supervisor keeps EL0 out';
  if (write && has(ReadOnly)) return 'EL0 cannot write what is read-only for the privileged level (AP)';
  if (read && !write && !has(ReadOnly)) {
    return `EL0 cannot have less than the privileged level, which may write, if it may read (AP): say ${execute ? 'rwx' : 'rw'}, or make the region read-only`;
  }
  if (write && !has(ExecuteProtect)) {
    return 'what EL0 may write the privileged level never executes: the region must be execute-protect';
  }
  return undefined;
}

/** What the guest may do with a region of stage 2, where that is said. */
export function readGuestRights(
  { region, written, mode, space }: RegionInQuestion,
  complaints: Complaint[],
): Rights | undefined {
  if (written.guest === undefined) return undefined;
  const { value: word, place } = written.guest;
  const complain = (problem: string) =>
    complaints.push({ message: `region "${region.name}": guest ${word}: ${problem}`, ...place });
  const rights = rightsOfWord(word);
  const other = written.attributes?.find(({ value }) => SAID_BY_GUEST.includes(value))?.value;
  if (mode.regime !== 'stage2') complain(`${space.name} is no guest's: say user, or attributes`);
  else if (other !== undefined) complain(`a region has this, or the attribute "${other}"`);
  else if (hasNone(rights) && written.memoryType !== undefined) {
    complain(`no access shows that the memory is ${written.memoryType.value}`);
  }
  return rights;
}

/** Attributes that say what `guest` says too, or that nothing is mapped. */
const SAID_BY_GUEST: readonly string[] = ['read-only', 'execute-protect', 'read-protect'];
