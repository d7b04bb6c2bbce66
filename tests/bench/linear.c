/* How near kernels/cpu/linear.c comes to one oneDNN matrix product: lines of
 *     name ours peer ratio goal met|short
 * in GFLOP/s. The peer is the matmul primitive on all threads, its weights in the layout that it asked for,
 * without bias or activation. --ceiling prints the peer's figure for the largest square product alone. */
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/linear.h"

#define ROUNDS 5

struct peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t plan;
    dnnl_primitive_t product;
    dnnl_memory_t src, weights, dst;
};

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(dnnl_status_t status)
{
    if (status != dnnl_success) {
        fprintf(stderr, "linear: oneDNN refuses with status %d\n", (int)status);
        exit(1);
    }
}

static void peer_open(struct peer *p, float *x, float *y, size_t rows, size_t in, size_t out)
{
    dnnl_dims_t a = { (dnnl_dim_t)rows, (dnnl_dim_t)in }, b = { (dnnl_dim_t)in, (dnnl_dim_t)out };
    dnnl_dims_t c = { (dnnl_dim_t)rows, (dnnl_dim_t)out };
    dnnl_memory_desc_t md_a, md_b, md_c;
    dnnl_matmul_desc_t what;

    must(dnnl_engine_create(&p->engine, dnnl_cpu, 0));
    must(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags));
    must(dnnl_memory_desc_init_by_tag(&md_a, 2, a, dnnl_f32, dnnl_ab));
    must(dnnl_memory_desc_init_by_tag(&md_b, 2, b, dnnl_f32, dnnl_format_tag_any));
    must(dnnl_memory_desc_init_by_tag(&md_c, 2, c, dnnl_f32, dnnl_ab));
    must(dnnl_matmul_desc_init(&what, &md_a, &md_b, NULL, &md_c));
    must(dnnl_primitive_desc_create(&p->plan, &what, NULL, p->engine, NULL));
    must(dnnl_primitive_create(&p->product, p->plan));
    must(dnnl_memory_create(&p->src, &md_a, p->engine, x));
    must(dnnl_memory_create(&p->dst, &md_c, p->engine, y));
    must(dnnl_memory_create(&p->weights, dnnl_primitive_desc_query_md(p->plan, dnnl_query_weights_md, 0),
                            p->engine, DNNL_MEMORY_ALLOCATE));
}

static void peer_run(struct peer *p)
{
    dnnl_exec_arg_t args[] = { { DNNL_ARG_SRC, p->src },
                               { DNNL_ARG_WEIGHTS, p->weights },
                               { DNNL_ARG_DST, p->dst } };

    must(dnnl_primitive_execute(p->product, p->stream, 3, args));
    must(dnnl_stream_wait(p->stream));
}

static void peer_close(struct peer *p)
{
    dnnl_memory_destroy(p->src);
    dnnl_memory_destroy(p->weights);
    dnnl_memory_destroy(p->dst);
    dnnl_primitive_destroy(p->product);
    dnnl_primitive_desc_destroy(p->plan);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
}

static float *filled(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);

    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)(i % 31) * 0.01f - 0.15f;
    return x;
}

struct timing {
    double peer_s, forward_s, backward_s;
};

/* Best of ROUNDS, the three in turn, so that another program's load falls on all. */
static struct timing measure(const struct bt_backend *b, size_t rows, size_t in, size_t out, enum bt_act act)
{
    float *x = filled(rows * in), *w = filled(out * in), *bias = filled(out), *y = filled(rows * out),
          *dw = filled(out * in);
    float *pre = filled(rows * out), *dy = filled(rows * out), *dx = filled(rows * in), *db = filled(out);
    int repeats = 1 + (int)(4e8 / ((double)rows * (double)in * (double)out));
    struct timing best = { 1e9, 1e9, 1e9 };
    struct peer p;

    if (!x || !w || !bias || !y || !dw || !pre || !dy || !dx || !db)
        exit(1);
    peer_open(&p, x, y, rows, in, out);
    for (int round = 0; round <= ROUNDS; round++) { /* the first warms up */
        double at[4];

        at[0] = now_s();
        for (int i = 0; i < repeats; i++)
            peer_run(&p);
        at[1] = now_s();
        for (int i = 0; i < repeats; i++)
            b->linear->forward(b->queue, y, act == BT_ACT_GELU ? pre : NULL, x, w, bias, act, rows, in, out);
        at[2] = now_s();
        for (int i = 0; i < repeats; i++)
            b->linear->backward(b->queue, dx, dw, db, dy, act == BT_ACT_GELU ? pre : y, x, w, act, rows, in,
                                out);
        at[3] = now_s();
        if (round == 0)
            continue;
        best.peer_s = at[1] - at[0] < best.peer_s ? at[1] - at[0] : best.peer_s;
        best.forward_s = at[2] - at[1] < best.forward_s ? at[2] - at[1] : best.forward_s;
        best.backward_s = at[3] - at[2] < best.backward_s ? at[3] - at[2] : best.backward_s;
    }
    peer_close(&p);
    free(x);
    free(w);
    free(bias);
    free(y);
    free(dw);
    free(pre);
    free(dy);
    free(dx);
    free(db);
    return (struct timing){ best.peer_s / repeats, best.forward_s / repeats, best.backward_s / repeats };
}

static void report(const char *name, double ours, double peer, double goal)
{
    printf("%-24s %7.1f %7.1f %5.2f %5.2f %s\n", name, ours, peer, ours / peer, goal,
           ours / peer >= goal ? "met" : "short");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t rows, in, out;
        enum bt_act act;
        double goal;
    } cases[] = {
        { "1184x128x128", 1184, 128, 128, BT_ACT_NONE, 0.60 },
        { "1184x128x384", 1184, 128, 384, BT_ACT_NONE, 0.60 },
        { "1184x128x512-gelu", 1184, 128, 512, BT_ACT_GELU, 0.60 },
        { "1184x512x128", 1184, 512, 128, BT_ACT_NONE, 0.60 },
        { "2500x128x1200", 2500, 128, 1200, BT_ACT_NONE, 0.60 },
        { "2048x2048x2048", 2048, 2048, 2048, BT_ACT_NONE, 0.85 },
        { "2000x1408x6144-gelu", 2000, 1408, 6144, BT_ACT_GELU, 0.85 },
        { "5x2560x2560", 5, 2560, 2560, BT_ACT_NONE, 0.60 },
    };
    struct bt_err err = { 0 };
    const struct bt_backend *b = bt_backend_cpu(omp_get_max_threads(), &err);

    setvbuf(stdout, NULL, _IOLBF, 0); /* lines as they come, also into a pipe */
    if (!b) {
        fprintf(stderr, "linear: %s\n", err.text);
        return 1;
    }
    if (argc == 2 && strcmp(argv[1], "--ceiling") == 0) {
        printf("%.1f\n", 2e-9 * 2048.0 * 2048.0 * 2048.0 / measure(b, 2048, 2048, 2048, BT_ACT_NONE).peer_s);
        bt_backend_free(b);
        return 0;
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double gflop = 2e-9 * (double)cases[i].rows * (double)cases[i].in * (double)cases[i].out;
        struct timing t = measure(b, cases[i].rows, cases[i].in, cases[i].out, cases[i].act);
        char name[64];

        snprintf(name, sizeof name, "%s/forward", cases[i].name);
        report(name, gflop / t.forward_s, gflop / t.peer_s, cases[i].goal);
        snprintf(name, sizeof name, "%s/backward", cases[i].name);
        report(name, 2 * gflop / t.backward_s, gflop / t.peer_s, cases[i].goal);
    }
    bt_backend_free(b);
    return 0;
}
