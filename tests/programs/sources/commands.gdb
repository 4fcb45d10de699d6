# What gdb_test.py has gdb do with threaded.c.
set pagination off
set confirm off
set print thread-events off
set print inferior-events off
set disable-randomization off
break all_built
run
echo == threads\n
thread apply all -q -ascending bt
up
echo == lists\n
print workers[2].number
print *workers[2].list
print workers[3].list->next->next->text
print length(workers[1].list)
ptype struct node
echo == calls in the program\n
print in_order(workers[0].list)
set $block = ((char *(*)(unsigned long)) malloc)(1000)
print in_order($block)
set var *(char (*)[15]) $block = "written by gdb"
set $block = ((char *(*)(void *, unsigned long)) realloc)($block, 500000)
print (char *) $block
print in_order($block)
call ((void (*)(void *)) free)($block)
print churn(3000)
print letters("a string that gdb has allocated in the program")
echo == in another thread\n
set scheduler-locking on
thread apply 3 -q print in_order(((void *(*)(unsigned long, unsigned long)) calloc)(100, 100))
thread apply 2 4 -q print churn(500)
set scheduler-locking off
echo == break, watch, finish\n
delete
tbreak freed_by_main
continue
watch watched
continue
finish
info breakpoints
delete
echo == fork and signal\n
continue
kill
echo == again\n
break grow if value == 2100
run
print value
bt
print in_order(list)
finish
kill
