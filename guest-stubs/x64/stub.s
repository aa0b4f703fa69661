# The x64 probe stub (PROTOCOL.md): reset code, probe loop, exception handlers, user-mode probes.
#
# Position independent: it runs at whatever virtual address its region is mapped, and finds its data relative
# to RIP. protocol.inc is generated from protocol.ts and x64/control.ts by assemble.ts.
#
#   0x0000  .text     supervisor code
#   0x1000  .user     the only page that user mode may execute
#   0x2000  .idt      } not in the file: the region is zero when the stub starts
#   0x3000  .state    }
#   0x4000  .control  } the control block
#   0x5000  .stacks   }

        .intel_syntax noprefix
        .include "protocol.inc"
        .include "layout.inc"
        .include "start.inc"

# ---- a batch ---------------------------------------------------------------------------------------------------

        # Its parameters are in the control block or, where a doorbell says what is to be done, in the next block of
        # the queue.
        .globl  batch
batch:
        lea     rsp, [rip + stack]
        lea     rbx, [rip + control]
        cmp     dword ptr [rbx + CONTROL_EXIT], EXIT_DOORBELL
        jne     2f
        mov     eax, [rip + batch_number]
1:      cmp     eax, [rbx + CONTROL_DOORBELL]
        je      1b
        inc     eax
        mov     [rip + batch_number], eax
        and     eax, X64_QUEUE_BLOCKS - 1
        imul    eax, eax, X64_QUEUE_BLOCK_BYTES
        lea     rbx, [rbx + rax + X64_QUEUE_OFFSET]
2:      mov     [rip + current_batch], rbx
        mov     ecx, [rbx + CONTROL_COMMAND]
        cmp     ecx, X64_COMMAND_SWITCH
        je      switch
        cmp     ecx, X64_COMMAND_INVALIDATE
        je      invalidate
        cmp     ecx, X64_COMMAND_WIPE
        je      wipe
        cmp     ecx, X64_COMMAND_PROBE_KEEP_TLB
        je      1f
        mov     rax, [rip + control + REGISTER_CR3]
        mov     cr3, rax                # no translation of an earlier batch survives (no page is global)
1:      rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     [rbx + CONTROL_T0], rax

        # r12 the probe record, r13 the result record, r14 end of the probe records, r15 the marker mask.
        lea     rax, [rip + region]
        mov     r12, [rbx + CONTROL_PROBES]
        add     r12, rax
        mov     r13, [rbx + CONTROL_RESULTS]
        add     r13, rax
        mov     r14d, [rbx + CONTROL_COUNT]
        shl     r14, 4
        add     r14, r12
        mov     r15, [rip + control + REGISTER_MARKER_MASK]
        mov     [rip + end_of_probes], r14
        mov     [rip + marker_mask], r15

        # One probe. Its record stays in memory, because an execute probe takes every register.
        .globl  next_probe
next_probe:
        cmp     r12, r14
        jae     batch_done
        test    r12, r15
        jz      mark
marked:
        mov     [rip + current_probe], r12
        mov     [rip + current_result], r13
        mov     dword ptr [rip + load_faulted], 0
        mov     rdi, [r12]              # the address
        movzx   ecx, byte ptr [r12 + 8] # the access
        movzx   esi, byte ptr [r12 + 10] # its flags
        test    esi, ACCESS_FLAG_ALIGNMENT_CHECK | ACCESS_FLAG_PROTECTION_KEYS | X64_FLAG_STORE_AS_READ
        jnz     set_flags
flags_set:
        cmp     byte ptr [r12 + 9], PRIVILEGE_USER
        je      user_probe
        cmp     ecx, ACCESS_WRITE
        je      write_probe
        ja      supervisor_execute

        # Read: first half, and the second where there is anything (memory that is not there reads as zero, and
        # then one access is all that it sees).
        .globl  supervisor_read
supervisor_read:
        mov     eax, [rdi]
first_half_read:
        test    eax, eax
        jz      read_nothing
read_second_half:
        mov     edx, [rdi + 4]
        shl     rdx, 32
        or      rax, rdx

        .globl  probe_completed         # rax = VALUE
probe_completed:
        mov     edx, [rip + load_faulted]
        shl     edx, 16
        or      edx, VECTOR_NONE
        mov     [r13 + RESULT_VALUE], rax
        mov     qword ptr [r13 + RESULT_FAULT_ADDRESS], 0
        mov     dword ptr [r13 + RESULT_SYNDROME], 0
        mov     [r13 + RESULT_VECTOR], edx
        mov     qword ptr [r13 + RESULT_INSTRUCTION], 0
        test    byte ptr [r12 + 10], ACCESS_FLAG_ALIGNMENT_CHECK | ACCESS_FLAG_PROTECTION_KEYS
        jnz     reset_flags
        .globl  advance
advance:
        add     r12, PROBE_RECORD_BYTES
        add     r13, RESULT_RECORD_BYTES
        jmp     next_probe

read_nothing:
        test    sil, X64_FLAG_WHOLE_VALUE
        jnz     read_second_half
        jmp     probe_completed

        # Write: the byte at offset 3 goes back as it was. That byte of a table entry holds neither A nor D, so
        # the store changes nothing that the processor sets meanwhile. After a load that faulted the store is
        # tried all the same, because its error code is the one that is asked for.
write_probe:
        test    sil, X64_FLAG_STORE_AS_READ
        jnz     store_as_read
        .globl  supervisor_write_load
supervisor_write_load:
        mov     eax, [rdi]
        mov     edx, eax
        shr     edx, 24
        .globl  supervisor_write_store  # dl = the byte
supervisor_write_store:
        mov     [rdi + 3], dl
        jmp     first_half_read

        # The byte that the probe before has read from this slot.
store_as_read:
        mov     [rdi + 3], bl
        xor     eax, eax
        jmp     probe_completed

        # Before each probe whose record's address has none of the mask's bits: a store to a page without memory,
        # which a machine that logs such accesses finds between those of the probes. Its offset in that page
        # is 8 times the probe's number (modulo the page).
mark:
        mov     rax, r12
        shr     rax, 1
        and     eax, 0xff8
        add     rax, [rip + control + REGISTER_MARKER]
        mov     [rax], rax
        jmp     marked

        # SMAP's EFLAGS.AC (§4.6.1) and PKRU (§4.6.2) for one probe; for a store without a load of its own the byte
        # that the probe before has read, in bl. If that one did not complete, the store needs its own load.
set_flags:
        test    esi, ACCESS_FLAG_PROTECTION_KEYS
        jz      1f
        mov     r8d, ecx
        mov     eax, [r12 + 12]
        xor     ecx, ecx
        xor     edx, edx
        wrpkru
        mov     ecx, r8d
1:      test    esi, X64_FLAG_STORE_AS_READ
        jz      2f
        mov     bl, [r13 - RESULT_RECORD_BYTES + RESULT_VALUE + 3]
        cmp     word ptr [r13 - RESULT_RECORD_BYTES + RESULT_VECTOR], VECTOR_NONE
        je      2f
        and     esi, ~X64_FLAG_STORE_AS_READ
2:      test    esi, ACCESS_FLAG_ALIGNMENT_CHECK
        jz      flags_set
        push    EFLAGS_FIXED | EFLAGS_AC
        popfq
        jmp     flags_set

reset_flags:
        push    EFLAGS_FIXED
        popfq
        test    byte ptr [r12 + 10], ACCESS_FLAG_PROTECTION_KEYS
        jz      advance
        xor     eax, eax
        xor     ecx, ecx
        xor     edx, edx
        wrpkru
        jmp     advance

        # User reads and writes run in the user page and come back by its UD2.
user_probe:
        lea     rax, [rip + user_read]
        lea     rdx, [rip + user_write]
        cmp     ecx, ACCESS_WRITE
        cmove   rax, rdx
        cmova   rax, rdi
        mov     r8d, EFLAGS_FIXED | EFLAGS_TF
        mov     r9d, EFLAGS_FIXED
        cmovbe  r8d, r9d
        push    SELECTOR_DATA3
        push    [rip + control + REGISTER_CANARY]
        push    r8
        push    SELECTOR_CODE3
        push    rax
        test    esi, ACCESS_FLAG_ALIGNMENT_CHECK
        jz      1f
        or      dword ptr [rsp + 16], EFLAGS_AC
1:      cmp     ecx, ACCESS_EXECUTE
        je      execute
        iretq

        # Supervisor fetches happen at ring 1: a supervisor for paging, yet without the right to do harm.
supervisor_execute:
        push    SELECTOR_DATA1
        push    [rip + control + REGISTER_CANARY]
        push    EFLAGS_FIXED | EFLAGS_TF
        push    SELECTOR_CODE1
        push    rdi
        test    esi, ACCESS_FLAG_ALIGNMENT_CHECK
        jz      execute
        or      dword ptr [rsp + 16], EFLAGS_AC

        # One instruction with every register on the canary; the trap flag ends it.
execute:
        mov     rax, [rip + control + REGISTER_CANARY]
        mov     rbx, rax
        mov     rcx, rax
        mov     rdx, rax
        mov     rsi, rax
        mov     rdi, rax
        mov     rbp, rax
        mov     r8, rax
        mov     r9, rax
        mov     r10, rax
        mov     r11, rax
        mov     r12, rax
        mov     r13, rax
        mov     r14, rax
        mov     r15, rax
        iretq

# ---- the end of a batch ------------------------------------------------------------------------------------------

batch_done:
        mov     rbx, [rip + current_batch]
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     [rbx + CONTROL_T1], rax
        mov     eax, [rbx + CONTROL_COUNT]
        mov     [rbx + CONTROL_DONE], eax
        mov     eax, [rip + batch_number]
        mov     [rip + control + CONTROL_ACK], eax
        mov     ecx, [rip + control + CONTROL_EXIT]
        cmp     ecx, EXIT_STOP
        je      batch_end
        cmp     ecx, EXIT_LEAVE_EMULATOR
        je      leave
        jmp     batch

        .globl  batch_end
batch_end:
        hlt
        jmp     batch_end

        # A triple fault: there is no IDT that could take the exception.
leave:
        mov     word ptr [rip + pointer], 0
        lidt    [rip + pointer]
        ud2

        # Fills frames with zeros, by stores of the guest: so the emulator forgets the code that it has translated there.
wipe:
        mov     rax, [rip + control + REGISTER_BRIDGE]
        mov     cr3, rax
        lea     r12, [rip + region]
        add     r12, [rbx + CONTROL_PROBES]
        mov     r14d, [rbx + CONTROL_COUNT]
        shl     r14, 4
        add     r14, r12
        xor     eax, eax
        cld
1:      cmp     r12, r14
        jae     batch_done
        mov     rdi, [r12]
        mov     ecx, 4096 / 8
        rep stosq
        add     r12, PROBE_RECORD_BYTES
        jmp     1b

        # TLB operations from the probe window, in order: the address, and in byte 8 what to do.
invalidate:
        lea     r12, [rip + region]
        add     r12, [rbx + CONTROL_PROBES]
        mov     r14d, [rbx + CONTROL_COUNT]
        shl     r14, 4
        add     r14, r12
next_operation:
        cmp     r12, r14
        jae     batch_done
        mov     rax, [r12]
        movzx   ecx, byte ptr [r12 + 8]
        add     r12, PROBE_RECORD_BYTES
        cmp     ecx, X64_OPERATION_RELOAD_CR3
        je      reload_cr3
        ja      toggle_pge
        invlpg  [rax]                   # one page, global or not (§4.10.4.1)
        jmp     next_operation
reload_cr3:                             # all but global pages
        mov     rax, cr3
        mov     cr3, rax
        jmp     next_operation
toggle_pge:                             # all, global pages too
        mov     rax, cr4
        mov     rcx, rax
        xor     rcx, CR4_PGE
        mov     cr4, rcx
        mov     cr4, rax
        jmp     next_operation

        # Another placement: both are mapped under the bridge root. REGISTER_ENTRY says where it is.
switch:
        mov     rdx, [rip + control + REGISTER_ENTRY]
        mov     rax, [rip + control + REGISTER_BRIDGE]
        mov     cr3, rax
        jmp     rdx

        .include "exceptions.inc"
        .include "user.inc"
