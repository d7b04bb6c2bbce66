/* Two pieces of work at once, on two threads. */
#ifndef BT_BASE_BOTH_H
#define BT_BASE_BOTH_H

/* Runs here(a) on this thread and there(b) on another; one after the other where no thread is to be had. Returns when both
 * are done. */
void bt_both(void (*here)(void *), void *a, void (*there)(void *), void *b);

#endif
