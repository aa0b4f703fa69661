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

        # Selectors (SDM Vol. 3A §3.4.2), with the RPL that IRETQ wants.
        .set    SELECTOR_CODE0, 0x08
        .set    SELECTOR_DATA0, 0x10
        .set    SELECTOR_CODE1, 0x18 | 1
        .set    SELECTOR_DATA1, 0x20 | 1
        .set    SELECTOR_CODE3, 0x28 | 3
        .set    SELECTOR_DATA3, 0x30 | 3
        .set    SELECTOR_TSS,   0x38

        # Segment descriptors for 64-bit mode (§3.4.5): present, DPL 0, 1, 3, accessed.
        .set    CODE_DESCRIPTOR, 0x00af9b000000ffff
        .set    DATA_DESCRIPTOR, 0x00cf93000000ffff
        .set    DPL1, 1 << 45
        .set    DPL3, 3 << 45

        .set    EFLAGS_FIXED, 1 << 1
        .set    EFLAGS_TF, 1 << 8
        .set    EFLAGS_AC, 1 << 18

        .set    MSR_EFER, 0xc0000080
        .set    MSR_PAT, 0x277

        .set    VECTORS, 32
        .set    VECTOR_ENTRY_SIZE, 16
        .set    GATE_INTERRUPT_DPL0, 0x8e00     # §6.14.1; no INT n from probed code gets through
        .set    IST_TRAP, 1
        .set    IST_DOUBLE_FAULT, 2
        .set    VECTOR_INVALID_OPCODE, 6
        .set    VECTOR_DOUBLE_FAULT, 8

# ---- data, all relative to the region ------------------------------------------------------------------------

        .section .idt, "aw", @nobits
idt:    .skip   VECTORS * 16

        .section .state, "aw", @nobits
gdt:    .skip   SELECTOR_TSS + 16
gdt_end:
        .balign 16
tss:    .skip   104
pointer:                                # operand of LGDT, LIDT
        .skip   10
        .balign 8
far_pointer:                            # operand of the far jumps
        .skip   10
        .balign 8
        .globl  current_probe, current_result
current_probe:                          # the record that is being probed
        .skip   8
current_result:
        .skip   8
end_of_probes:
        .skip   8
marker_mask:
        .skip   8
load_faulted:                           # EXTRA_LOAD_FAULTED once the load of a write probe has faulted
        .skip   4
batch_number:                           # DOORBELL of the batch
        .skip   4

        .section .control, "aw", @nobits
control:
        .skip   0x1000

        .section .stacks, "aw", @nobits
        .skip   0x1000
trap_stack:
        .skip   0x1000
double_fault_stack:
        .skip   0x1000
stack:

        .macro  REGISTER name, index
        .set    REGISTER_\name, CONTROL_REGISTERS + \index * 8
        .endm
        REGISTER CR0, X64_CR0
        REGISTER CR3, X64_CR3
        REGISTER CR4, X64_CR4
        REGISTER EFER, X64_EFER
        REGISTER PAT, X64_PAT
        REGISTER ENTRY, X64_ENTRY
        REGISTER BRIDGE, X64_BRIDGE
        REGISTER CANARY, X64_CANARY
        REGISTER MARKER, X64_MARKER
        REGISTER MARKER_MASK, X64_MARKER_MASK

# ---- reset: real mode, paging off, linear = physical ----------------------------------------------------------

        .text
        .code16
region:
        .globl  reset
reset:
        cli
        .byte   0x66, 0xbb              # mov ebx, the region's physical address (below 4 GiB), which the
        .globl  reset_base              # host stores here
reset_base:
        .long   0

        # A GDT with one 64-bit code segment. DS has base 0, and offsets of 32 bits reach everything.
        mov     dword ptr [ebx + gdt + SELECTOR_CODE0], CODE_DESCRIPTOR & 0xffffffff
        mov     dword ptr [ebx + gdt + SELECTOR_CODE0 + 4], CODE_DESCRIPTOR >> 32
        mov     word ptr [ebx + pointer], gdt_end - gdt - 1
        lea     eax, [ebx + gdt]
        mov     [ebx + pointer + 2], eax
        lgdtd   [ebx + pointer]

        # Everything that long mode wants, then PE and PG at once (§9.8.5); the bridge root maps this code
        # where it is.
        mov     eax, [ebx + control + REGISTER_CR4]
        mov     cr4, eax
        mov     eax, [ebx + control + REGISTER_BRIDGE]
        mov     cr3, eax
        mov     ecx, MSR_PAT
        mov     eax, [ebx + control + REGISTER_PAT]
        mov     edx, [ebx + control + REGISTER_PAT + 4]
        wrmsr
        mov     ecx, MSR_EFER
        mov     eax, [ebx + control + REGISTER_EFER]
        xor     edx, edx
        wrmsr
        lea     eax, [ebx + long_mode]
        mov     [ebx + far_pointer], eax
        mov     word ptr [ebx + far_pointer + 4], SELECTOR_CODE0
        mov     eax, [ebx + control + REGISTER_CR0]
        mov     cr0, eax
        data32 ljmp [ebx + far_pointer]

        .code64
long_mode:
        jmp     [rip + control + REGISTER_ENTRY]

# ---- entry: long mode, CPL 0, at the region's virtual address; no register matters ------------------------------

        .globl  entry
entry:
        cli
        lea     rsp, [rip + stack]

        # GDT (§3.5) with segments for rings 0, 1 and 3 and the TSS.
        lea     rdi, [rip + gdt]
        mov     rax, CODE_DESCRIPTOR
        mov     [rdi + SELECTOR_CODE0], rax
        mov     rax, DATA_DESCRIPTOR
        mov     [rdi + SELECTOR_DATA0], rax
        mov     rax, CODE_DESCRIPTOR | DPL1
        mov     [rdi + (SELECTOR_CODE1 & ~7)], rax
        mov     rax, DATA_DESCRIPTOR | DPL1
        mov     [rdi + (SELECTOR_DATA1 & ~7)], rax
        mov     rax, CODE_DESCRIPTOR | DPL3
        mov     [rdi + (SELECTOR_CODE3 & ~7)], rax
        mov     rax, DATA_DESCRIPTOR | DPL3
        mov     [rdi + (SELECTOR_DATA3 & ~7)], rax

        # The TSS descriptor, 16 bytes (§7.2.3): limit 103, present, available 64-bit TSS.
        lea     rax, [rip + tss]
        mov     word ptr [rdi + SELECTOR_TSS], 103
        mov     [rdi + SELECTOR_TSS + 2], ax
        mov     rdx, rax
        shr     rdx, 16
        mov     [rdi + SELECTOR_TSS + 4], dl
        mov     word ptr [rdi + SELECTOR_TSS + 5], 0x0089
        mov     [rdi + SELECTOR_TSS + 7], dh
        shr     rax, 32
        mov     [rdi + SELECTOR_TSS + 8], rax

        # The TSS (§7.7): a stack for every exception, another for the double fault, no I/O permissions.
        lea     rdi, [rip + tss]
        lea     rax, [rip + trap_stack]
        mov     [rdi + 0x1c + 8 * IST_TRAP], rax
        lea     rax, [rip + double_fault_stack]
        mov     [rdi + 0x1c + 8 * IST_DOUBLE_FAULT], rax
        mov     word ptr [rdi + 0x66], 104

        # The IDT (§6.14.1).
        lea     rdi, [rip + idt]
        lea     rax, [rip + vector_entries]
        xor     ecx, ecx
1:      mov     [rdi], ax
        mov     word ptr [rdi + 2], SELECTOR_CODE0
        mov     word ptr [rdi + 4], GATE_INTERRUPT_DPL0 | IST_TRAP
        mov     rdx, rax
        shr     rdx, 16
        mov     [rdi + 6], dx
        shr     rdx, 16
        mov     [rdi + 8], rdx
        add     rdi, 16
        add     rax, VECTOR_ENTRY_SIZE
        inc     ecx
        cmp     ecx, VECTORS
        jb      1b
        mov     byte ptr [rip + idt + VECTOR_DOUBLE_FAULT * 16 + 4], IST_DOUBLE_FAULT

        # Load them all.
        mov     word ptr [rip + pointer], gdt_end - gdt - 1
        lea     rax, [rip + gdt]
        mov     [rip + pointer + 2], rax
        lgdt    [rip + pointer]
        mov     word ptr [rip + pointer], VECTORS * 16 - 1
        lea     rax, [rip + idt]
        mov     [rip + pointer + 2], rax
        lidt    [rip + pointer]
        mov     eax, SELECTOR_TSS
        ltr     ax
        push    SELECTOR_CODE0
        lea     rax, [rip + 1f]
        push    rax
        retfq
1:      mov     eax, SELECTOR_DATA0
        mov     ss, eax
        xor     eax, eax
        mov     ds, eax
        mov     es, eax
        mov     fs, eax
        mov     gs, eax
        mov     dword ptr [rip + control + CONTROL_VERSION], PROTOCOL_VERSION
        mov     dword ptr [rip + control + CONTROL_MAGIC], PROTOCOL_MAGIC

# ---- a batch ---------------------------------------------------------------------------------------------------

        .globl  batch
batch:
        lea     rsp, [rip + stack]
        mov     eax, [rip + control + CONTROL_DOORBELL]
        mov     [rip + batch_number], eax
        cmp     dword ptr [rip + control + CONTROL_COMMAND], X64_COMMAND_SWITCH
        je      switch
        mov     rax, [rip + control + REGISTER_CR3]
        mov     cr3, rax                # no translation of an earlier batch survives (no page is global)
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     [rip + control + CONTROL_T0], rax

        # r12 the probe record, r13 the result record, r14 end of the probe records, r15 the marker mask.
        lea     rax, [rip + region]
        mov     r12, [rip + control + CONTROL_PROBES]
        add     r12, rax
        mov     r13, [rip + control + CONTROL_RESULTS]
        add     r13, rax
        mov     r14d, [rip + control + CONTROL_COUNT]
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
        test    esi, ACCESS_FLAG_ALIGNMENT_CHECK | ACCESS_FLAG_PROTECTION_KEYS
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

        # Write: the byte at offset 7 goes back as it was. That byte of a table entry holds neither A nor D, so
        # the store changes nothing that the processor sets meanwhile. After a load that faulted the store is
        # tried all the same, because its error code is the one that is asked for.
write_probe:
        .globl  supervisor_write_load
supervisor_write_load:
        mov     eax, [rdi + 4]
        mov     edx, eax
        shr     edx, 24
        .globl  supervisor_write_store  # dl = the byte
supervisor_write_store:
        mov     [rdi + 7], dl
        test    eax, eax
        jz      wrote_nothing
read_first_half:
        shl     rax, 32
        mov     edx, [rdi]
        or      rax, rdx
        jmp     probe_completed
wrote_nothing:
        test    sil, X64_FLAG_WHOLE_VALUE
        jnz     read_first_half
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

        # SMAP's EFLAGS.AC (§4.6.1) and PKRU (§4.6.2) for one probe.
set_flags:
        test    esi, ACCESS_FLAG_PROTECTION_KEYS
        jz      1f
        mov     r8d, ecx
        mov     eax, [r12 + 12]
        xor     ecx, ecx
        xor     edx, edx
        wrpkru
        mov     ecx, r8d
1:      test    esi, ACCESS_FLAG_ALIGNMENT_CHECK
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
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     [rip + control + CONTROL_T1], rax
        mov     eax, [rip + control + CONTROL_COUNT]
        mov     [rip + control + CONTROL_DONE], eax
        mov     eax, [rip + batch_number]
        mov     [rip + control + CONTROL_ACK], eax
        mov     ecx, [rip + control + CONTROL_EXIT]
        cmp     ecx, EXIT_STOP
        je      batch_end
        cmp     ecx, EXIT_LEAVE_EMULATOR
        je      leave
1:      cmp     eax, [rip + control + CONTROL_DOORBELL]
        je      1b
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

        # Another placement: both are mapped under the bridge root. REGISTER_ENTRY says where it is.
switch:
        mov     rdx, [rip + control + REGISTER_ENTRY]
        mov     rax, [rip + control + REGISTER_BRIDGE]
        mov     cr3, rax
        jmp     rdx

# ---- exceptions --------------------------------------------------------------------------------------------------

        # One entry per vector: makes the stack vector, error code, RIP, CS, RFLAGS, RSP, SS (§6.14.2).
        .balign VECTOR_ENTRY_SIZE
vector_entries:
        .set    vector, 0
        .rept   VECTORS
        .balign VECTOR_ENTRY_SIZE
        .if     !((0x60227d00 >> vector) & 1)   # no error code from the processor: 8, 10-14, 17, 21, 29, 30 have
        push    0
        .endif
        push    vector
        jmp     trap
        .set    vector, vector + 1
        .endr

        # Never back to the probe, but for one case: the load of a write probe faulted, so the store is next.
trap:
        mov     rsi, [rsp + 16]         # RIP
        lea     rdx, [rip + user_done]
        cmp     rsi, rdx
        je      user_trapped
1:      lea     rdx, [rip + user_write_load]
        lea     rcx, [rip + user_write_store]
        cmp     rsi, rdx
        je      retry_as_store
        lea     rdx, [rip + supervisor_write_load]
        lea     rcx, [rip + supervisor_write_store]
        cmp     rsi, rdx
        je      retry_as_store
        mov     edx, [rsp]
        mov     ecx, [rsp + 8]

        .globl  record_fault            # rax = VALUE, edx = vector, ecx = error code, rsi = RIP, CR2
record_fault:
        lea     rsp, [rip + stack]
        mov     r12, [rip + current_probe]
        mov     r13, [rip + current_result]
        mov     r14, [rip + end_of_probes]
        mov     r15, [rip + marker_mask]
        mov     [r13 + RESULT_VALUE], rax
        mov     rdi, cr2
        mov     [r13 + RESULT_FAULT_ADDRESS], rdi
        mov     [r13 + RESULT_SYNDROME], ecx
        mov     edi, [rip + load_faulted]
        shl     edi, 16
        or      edx, edi
        mov     [r13 + RESULT_VECTOR], edx
        mov     [r13 + RESULT_INSTRUCTION], rsi
        test    byte ptr [r12 + 10], ACCESS_FLAG_ALIGNMENT_CHECK | ACCESS_FLAG_PROTECTION_KEYS
        jnz     reset_flags
        jmp     advance

user_trapped:
        cmp     dword ptr [rsp], VECTOR_INVALID_OPCODE
        jne     1b
        .globl  user_completed          # rax = VALUE
user_completed:
        lea     rsp, [rip + stack]
        mov     r12, [rip + current_probe]
        mov     r13, [rip + current_result]
        mov     r14, [rip + end_of_probes]
        mov     r15, [rip + marker_mask]
        jmp     probe_completed

retry_as_store:
        mov     dword ptr [rip + load_faulted], EXTRA_LOAD_FAULTED
        mov     [rsp + 16], rcx
        xor     eax, eax
        xor     edx, edx
        xor     esi, esi
        add     rsp, 16
        iretq

# ---- user mode -----------------------------------------------------------------------------------------------------

        # rdi = address, esi = flags; ends in UD2 with VALUE in rax. The same accesses as above.
        .section .user, "ax"
user_read:
        mov     eax, [rdi]
        test    eax, eax
        jz      3f
1:      mov     edx, [rdi + 4]
        shl     rdx, 32
        or      rax, rdx
        .globl  user_done
user_done:
        ud2
3:      test    sil, X64_FLAG_WHOLE_VALUE
        jnz     1b
        jmp     user_done

user_write:
        .globl  user_write_load
user_write_load:
        mov     eax, [rdi + 4]
        mov     edx, eax
        shr     edx, 24
        .globl  user_write_store        # dl = the byte
user_write_store:
        mov     [rdi + 7], dl
        test    eax, eax
        jz      3f
1:      shl     rax, 32
        mov     edx, [rdi]
        or      rax, rdx
        jmp     user_done
3:      test    sil, X64_FLAG_WHOLE_VALUE
        jnz     1b
        jmp     user_done
